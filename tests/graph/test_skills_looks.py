"""Analyses beside probes: one look at everything for all checks that are made together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from domain.alert import Alert
from domain.bundle import Bundle, Reading
from domain.clock import ManualClock
from domain.conditions import Condition
from domain.incident import Incident, IncidentStatus
from graph.deliveries import LATE
from graph.records.opening import open_records
from graph.skills.looks import Looks, open_alerts
from tests.fakes.world import TickingClock, World, WorldProbes, alert, diagnose_world


class Counting:
    """Gathers the world's readings and counts how often it was asked."""

    def __init__(self, probes: WorldProbes) -> None:
        self._probes = probes
        self.asked = 0

    async def __call__(self, incident: str, alerts: Sequence[Alert], extra: Sequence[Reading], look: int) -> Bundle:
        self.asked += 1
        return Bundle(id=incident, readings=tuple(await self._probes.run()))


async def firing() -> list[Alert]:
    return [alert(service="api")]


async def test_analyses_and_probes_answer_alike() -> None:
    """Side by side they share one observation; named together each answers for the services that are named."""
    world = World(wrong={(Condition.PROCESS_PAUSED, "api"): {}})
    probes, clock = WorldProbes(world), TickingClock()
    gather = Counting(probes)
    looks = Looks(probes, gather, diagnose_world, firing, clock)
    first, second = await asyncio.gather(
        looks.run(["diagnosis", "state"], ["api"]), looks.run(["alert_groups"], ["api", "postgres"])
    )
    assert {r.probe for r in first} == {"diagnosis", "state"}
    assert [r.ok for r in second] == [False, True]
    assert gather.asked == 1
    assert next(r for r in first if r.probe == "diagnosis").values["verdict"] == "fault"
    world.wrong.clear()
    await clock.sleep(5.0)
    assert (await looks.run(["diagnosis"], ["api"]))[0].ok is True
    assert gather.asked == 2
    assert {r.probe for r in await looks.run(None, ["api"])} == {"state"}


async def test_an_alert_is_heard_until_its_incident_was_closed_for_a_while() -> None:
    """Handed to a person at once, it still fires; when its sender says that it is over, or would be heard no more, it does not."""
    records, clock = open_records(":memory:"), ManualClock()
    told, raised = open_alerts(records.incidents, clock), alert(service="api")
    row = Incident(
        id="inc-1",
        thread_id="inc-1",
        title="t",
        status=IncidentStatus.ESCALATED,
        opened_at=clock.now(),
        alerts=[raised],
        run_id="run-1",
        phase="EXIT",
        severity=raised.severity,
    )
    await records.incidents.open(row.model_copy(update={"closed_at": clock.now()}), [(raised, "api")], [])
    clock.advance(LATE.total_seconds() - 1)
    assert [a.identity for a in await told()] == ["shop-down"]
    clock.advance(2)
    assert await told() == []
    records.close()
