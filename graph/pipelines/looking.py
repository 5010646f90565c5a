"""Stages that only look: at the system, at probes, at documents, at users for a while."""

# pyright: reportTypedDictNotRequiredAccess=false
# (a run always has its ids)
from __future__ import annotations

from typing import Any

from pydantic import Field

from agents.verifier import HEALTH_PROBES, served, user_facing
from domain.action import Tier
from domain.bundle import Reading
from domain.redaction import redact
from domain.value import Value
from graph.nodes.perceive import look_at
from graph.pipelines.stages import Bindings, StageAnswer, StageCall, StageTemplate, StageWork
from graph.watch import watch_users


class Observe(Value):
    """Arguments of `observe`."""

    looks: int = Field(default=1, ge=1, le=10)
    """How often to look before the verdict stands."""


class ReadProbes(Value):
    """Arguments of `read_probes`."""

    probes: list[str] = []
    """Names; empty means all."""
    services: list[str] = []
    """Names of the inventory; empty means all."""
    expect_ok: bool = True
    """Fail when a reading is bad. A reading that cannot be taken is a failure too: nothing to read is not health."""


class Search(Value):
    """Arguments of `search_runbooks`."""

    query: str = Field(min_length=2, max_length=600)
    limit: int = Field(default=4, ge=1, le=20)


class WatchUsers(Value):
    """Arguments of `watch_users`."""

    hold_s: float = Field(default=6.0, ge=1, le=600)
    """Seconds of unbroken good service that are wanted."""
    patience_s: float = Field(default=20.0, ge=1, le=1200)


def _observe(bindings: Bindings) -> StageWork:
    services = bindings.services

    async def work(call: StageCall) -> StageAnswer:
        diagnosis = None
        for look in range(call.args.looks):
            bundle = await services.gather(call.state["run"], [], (), look)
            diagnosis = await look_at(services, bundle, diagnosis)
        assert diagnosis is not None, "the arguments ask for one look at least"
        top = diagnosis.top
        return StageAnswer(
            update={"diagnosis": diagnosis},
            artifacts={
                "verdict": diagnosis.verdict.value,
                "confidence": diagnosis.confidence,
                "summary": diagnosis.summary,
                "service": top.service if top else "",
                "fault_class": (top.fault_class or "") if top else "",
                "evidence": list(top.evidence) if top else [],
                "blind_spots": list(diagnosis.blind_spots),
            },
        )

    return work


def _read_probes(bindings: Bindings) -> StageWork:
    services = bindings.services

    async def work(call: StageCall) -> StageAnswer:
        readings = await services.probes.run(call.args.probes or None, call.args.services or None)
        bad = [r for r in readings if r.ok is not True]
        wrong = call.args.expect_ok and (bad or not readings)
        return StageAnswer(
            artifacts={"readings": [_row(r) for r in readings], "bad": len(bad)},
            error=_words(bad) if wrong else "",
        )

    return work


def _search(bindings: Bindings) -> StageWork:
    async def work(call: StageCall) -> StageAnswer:
        found = await bindings.services.retriever.search(call.args.query, limit=call.args.limit)
        rows = [{"id": p.id, "title": p.title, "heading": p.heading, "text": p.text[:800]} for p in found]
        return StageAnswer(artifacts={"passages": rows})

    return work


def _watch(bindings: Bindings) -> StageWork:
    services = bindings.services

    async def work(call: StageCall) -> StageAnswer:
        watch = await watch_users(
            services.probes, services.clock, hold_s=call.args.hold_s, patience_s=call.args.patience_s
        )
        rows = user_facing(watch.readings)
        words = "users were not served long enough: " + (_words([r for r in rows if not r.ok]) or "service broke off")
        return StageAnswer(
            artifacts={"held_s": round(watch.held_s, 1), "served": served(watch.readings)},
            error="" if watch.good else words,
        )

    return work


def _row(reading: Reading) -> dict[str, Any]:
    text = redact(reading.text or reading.data_gap)
    return {"probe": reading.probe, "service": reading.service, "ok": reading.ok, "text": text}


def _words(bad: list[Reading]) -> str:
    rows = [f"{r.service} {r.probe}: {redact(r.text or r.data_gap or 'no reading')}" for r in bad[:5]]
    return "; ".join(rows) or "nothing could be read"


LOOKING_STAGES: tuple[StageTemplate, ...] = (
    StageTemplate(
        name="observe",
        summary="gather evidence and rank causes; changes nothing",
        tier=Tier.T0,
        args=Observe,
        make=_observe,
    ),
    StageTemplate(
        name="read_probes",
        summary=f"read probes such as {', '.join(HEALTH_PROBES)}; fails when one is not well",
        tier=Tier.T0,
        args=ReadProbes,
        make=_read_probes,
    ),
    StageTemplate(
        name="search_runbooks",
        summary="find the passages of runbooks and past cases that fit",
        tier=Tier.T0,
        args=Search,
        make=_search,
    ),
    StageTemplate(
        name="watch_users",
        summary="watch from outside whether users are served without a break",
        tier=Tier.T0,
        args=WatchUsers,
        make=_watch,
    ),
)
