"""The read-only loop over the real engine: it looks within a budget, stops when it knows, and more looks accuse no more."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from agents.perception import diagnose
from agents.reasoners.scripted import ScriptedReasoner
from domain.alert import Alert, Change
from domain.bundle import AlertHint, Bundle, Edge, LogLine, Reading, Series
from domain.reasoning import Opinion, PerceiveAnswer, ProbeWish
from domain.second_opinion import ArgumentAgainst, ArgumentFor, DiffAnswer, DiffQuestion, DiffReading
from domain.value import Value
from graph.services import Services
from tests.fakes.house import House
from tests.fakes.world import INVENTORY, World

T0 = 1_772_359_200.0
METRICS = ("latency_seconds", "error_ratio", "cpu_usage", "queue_depth")


@dataclass
class NoisyGather:
    """A system under load in which nothing is wrong; every look is noise of its own, and some series always looks odd."""

    seed: int
    served: bool | None = True
    """What the check of what users do says; None: it could not tell."""
    looks: int = 0
    rows: list[Bundle] = field(default_factory=list)

    async def __call__(self, incident: str, alerts: Sequence[Alert], extra: Sequence[Reading], look: int) -> Bundle:
        self.looks += 1
        noise = random.Random(self.seed * 100 + look)
        now = T0 + 5.0 * look
        odd = (noise.choice(INVENTORY.names()), "cpu_usage")
        series = tuple(
            noisy(noise, service, metric, now, odd=(service, metric) == odd)
            for service in INVENTORY.names()
            for metric in METRICS
        )
        return Bundle(
            id=incident,
            services=tuple(INVENTORY.names()),
            edges=tuple(Edge(caller=s.name, callee=d) for s in INVENTORY.services for d in s.depends_on),
            series=series,
            readings=(*self._readings(now), *extra),
        )

    def _readings(self, now: float) -> list[Reading]:
        gap = "" if self.served is not None else "no answer in time"
        users = {"name": "shop", "user_facing": True}
        shop = Reading(probe="http_health", service="frontend", time=now, ok=self.served, values=users, data_gap=gap)
        states = [
            Reading(probe="process_state", service=n, time=now, ok=True, values={"state": "running"})
            for n in INVENTORY.names()
        ]
        return [shop, *states]


def noisy(noise: random.Random, service: str, metric: str, now: float, *, odd: bool) -> Series:
    times = tuple(now - 600 + 10 * n for n in range(61))
    level = noise.uniform(0.01, 1.0)
    values = [max(0.0, noise.gauss(level, 0.1 * level)) for _ in times]
    if odd:
        values[-6:] = [v * 6 for v in values[-6:]]
    return Series(service=service, metric=metric, times=times, values=tuple(values))


class Looking(House):
    """A house with the real engine over another gather."""

    gather: NoisyGather

    @property
    def services(self) -> Services:
        return replace(super().services, gather=self.gather, diagnose=diagnose)


def looking(gather: NoisyGather, **more: Any) -> Looking:
    house = Looking(World(), **more)
    house.gather = gather
    return house


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("served", [True, None])
async def test_looking_longer_accuses_no_more(seed: int, served: bool | None) -> None:
    """However often one looks at noise: no look ever says fault, nothing is done, and the last one is not sure of anybody."""
    strongest = {}
    for most in (1, 6):
        house = looking(NoisyGather(seed, served))
        state = await house.run(max_looks=most)
        assert all(row["verdict"] != "fault" for row in state["confidence_history"])
        assert house.world.effects == []
        assert house.gather.looks <= most + 1
        strongest[most] = max((h.confidence for h in state["diagnosis"].hypotheses), default=0.0)
    assert strongest[6] < 0.5
    assert state["outcome"] == ("healthy" if served else "inconclusive")


def always_accusing() -> dict[str, list[Value | Exception]]:
    """A mind that accuses the database and wants another probe, each time it is asked."""
    accuse = PerceiveAnswer(
        opinions=[
            Opinion(
                service="postgres", fault_class="deadlock", statement="the database", evidence=["E1"], confidence=1.0
            )
        ],
        probes=[
            ProbeWish(probe="state", service="postgres", why="to be sure"),
            ProbeWish(probe="drop", service="api", why=""),
        ],
    )
    return {
        "perception": [accuse] * 20,
        "argue_for": [ArgumentFor(belief=1.0)] * 20,
        "argue_against": [ArgumentAgainst(belief=1.0)] * 20,
    }


@pytest.mark.parametrize("served", [True, None])
async def test_a_mind_that_accuses_at_every_look_gets_no_further(served: bool | None) -> None:
    """Its probes run within the budget of rounds, its verdict never becomes the run's."""
    house = looking(NoisyGather(1, served), reasoner=ScriptedReasoner(always_accusing(), name="openai:m1"))
    state = await house.run(max_looks=6, max_probe_rounds=2)
    asked = [m for m in state["messages"] if m.type == "ai"]
    assert [[c["name"] for c in m.tool_calls] for m in asked] == [["state"], ["state"]]
    assert all(row["verdict"] != "fault" for row in state["confidence_history"])
    assert [h.confidence <= 0.3 for h in state["diagnosis"].hypotheses if h.by] in ([], [True])
    assert (house.world.effects, state.get("plans", [])) == ([], [])


async def test_it_stops_when_it_knows() -> None:
    """Users are served, and say so twice while an alert fires: the remaining looks are not taken."""
    house = looking(NoisyGather(2))
    state = await house.run(max_looks=2)
    assert (state["looks"], house.gather.looks, state["outcome"]) == (2, 2, "healthy")


class SuspectedPool:
    """Requests complain about the pool, and the pool itself could not be read at the first look; read alone it answers: free."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def names(self) -> list[str]:
        return ["db_pool", "http_health"]

    async def run(self, names: Sequence[str] | None = None, services: Sequence[str] | None = None) -> list[Reading]:
        self.asked += [(name, service) for name in names or [] for service in services or []]
        values = {"size": 5, "in_use": 1, "waiting": 0}
        return [Reading(probe="db_pool", service="api", time=T0, ok=True, values=values)]

    async def __call__(self, incident: str, alerts: Sequence[Alert], extra: Sequence[Reading], look: int) -> Bundle:
        users = {"name": "shop", "user_facing": True}
        shop = Reading(probe="http_health", service="frontend", time=T0, ok=False, values=users)
        pool = Reading(probe="db_pool", service="api", time=T0, ok=None, data_gap="no answer in time")
        line = LogLine(time=T0 - 1, service="api", message="PoolTimeout: couldn't get a connection", level="ERROR")
        edges = tuple(Edge(caller=s.name, callee=d) for s in INVENTORY.services for d in s.depends_on)
        names = tuple(INVENTORY.names())
        return Bundle(id=incident, services=names, edges=edges, logs=(line,), readings=(shop, pool, *extra))


class Suspecting(House):
    """A house with the real engine over a pool that is suspected."""

    pool: SuspectedPool

    @property
    def services(self) -> Services:
        return replace(super().services, gather=self.pool, probes=self.pool, diagnose=diagnose)


async def test_rules_run_the_probe_that_would_refute_the_suspicion() -> None:
    """The unread pool is read, once; its answer lowers the suspicion, which never becomes the run's verdict."""
    house = Suspecting(World())
    house.pool = SuspectedPool()
    state = await house.run(max_looks=3)
    sure = [row["confidence"] for row in state["confidence_history"]]
    assert house.pool.asked == [("db_pool", "api")]
    assert sure[1] < sure[0]
    assert all(row["verdict"] == "inconclusive" for row in state["confidence_history"])
    assert (state["outcome"], house.world.effects) == ("inconclusive", [])


class ChangedGather(NoisyGather):
    """The same noise beside two edits that went out before it."""

    async def __call__(self, incident: str, alerts: Sequence[Alert], extra: Sequence[Reading], look: int) -> Bundle:
        seen = await super().__call__(incident, alerts, extra, look)
        at = datetime.fromtimestamp(T0 - 300, UTC)
        edits = [
            Change(id=name, kind="config", service="api", time=at, diff=f"-{name}_s = 30\n+{name}_s = 3")
            for name in ("read", "write")
        ]
        return replace(seen, changes=tuple(edits), alert=AlertHint(service="frontend", started_at=T0 - 60))


async def test_diffs_of_live_changes_are_read_once() -> None:
    """A mind is shown the edits of a live incident; what it read stands for the later looks, and accuses nobody by itself."""
    read = DiffReading(change="read", effect="gives up sooner", through="read_s", service="api", could=0.9)
    mind = ScriptedReasoner({"diffs": [DiffAnswer(readings=[read])], "perception": [PerceiveAnswer()] * 9}, name="m1")
    house = looking(ChangedGather(3, None), reasoner=mind)
    state = await house.run(max_looks=3)
    asked = [q for q in mind.asked if isinstance(q, DiffQuestion)]
    assert [{c.change for c in q.changes} for q in asked] == [{"read", "write"}]
    assert state["diffs_read"]["readings"] == {"read": read.model_dump(mode="json")}
    assert all(row["verdict"] != "fault" for row in state["confidence_history"])
