"""A drill against a scripted responder."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from chaos.commitment import Label, opens
from chaos.drill import Drill
from chaos.errors import ChaosError
from chaos.experiment import Experiments, Permission
from chaos.gate import Gate
from chaos.lease import LeaseState
from chaos.lease_memory import MemoryLeaseStore
from chaos.model import Fault
from chaos.order import DrillOrder
from domain.clock import ManualClock
from domain.diagnosis import DiagnosisVerdict
from domain.drills import DrillPhase, DrillResult
from domain.incident import Incident, IncidentStatus
from tests.fakes.chaos_site import FakeDoor, FakeFault, FakeResponder, World, fake_site
from tests.unit.chaos.chaos_records import diagnosis, incident, plan, result


class Stage:
    """Everything a drill needs, and what it said."""

    def __init__(self, home: Path, records: Sequence[Incident], *, abstain: bool = False, **order: Any) -> None:
        self.world = World(clock=ManualClock())
        self.site = fake_site(self.world, home)
        self.fault = FakeFault(self.world, abstain=abstain)
        faults: dict[str, Fault] = {"wound": self.fault}
        self.store = MemoryLeaseStore()
        self.door = FakeDoor()
        self.responder = FakeResponder(self.world, records)
        self.said: list[tuple[DrillPhase, str]] = []
        experiments = Experiments(self.site, self.store, faults, Permission(frozen=self.door.frozen))
        gate = Gate(experiments, self.store, self.door)
        self.door.redeem = gate.redeem
        self.drill = Drill(
            DrillOrder(fault=self.fault, drill="drill-1", **order),
            site=self.site,
            gate=gate,
            store=self.store,
            responder=self.responder,
            door=self.door,
            tell=self.tell,
        )

    async def tell(self, phase: DrillPhase, text: str, incident: str | None) -> None:
        self.said.append((phase, text))

    async def run(self) -> DrillResult:
        return await self.drill.run()


def cured() -> list[Incident]:
    """Diagnosing, acting, resolved."""
    made, judged = plan()
    acted = {"diagnosis": diagnosis(), "plans": [made], "judgements": [judged], "results": [result()]}
    return [
        incident(IncidentStatus.DIAGNOSING),
        incident(IncidentStatus.ACTING, diagnosis=diagnosis()),
        incident(IncidentStatus.RESOLVED, **acted),
    ]


async def test_a_mended_fault_scores_and_is_taken_back(tmp_path: Path) -> None:
    """The whole way: sealed, broken, detected, followed, judged, opened, restored."""
    stage = Stage(tmp_path, cured())
    stage.responder.cure_at = 2
    found = await stage.run()
    assert (found.detected, found.diagnosed, found.mitigated, found.durable) == (True, True, True, True)
    assert found.ledger.verified
    assert not stage.world.broken
    assert [lease.state for lease in stage.store.leases()] == [LeaseState.RESTORED]
    phases = list(dict.fromkeys(phase for phase, _ in stage.said if phase is not DrillPhase.RECOVERED))
    assert phases == [
        DrillPhase.STEADY,
        DrillPhase.COMMITTED,
        DrillPhase.BROKEN,
        DrillPhase.DETECTED,
        DrillPhase.FOLLOWING,
        DrillPhase.JUDGING,
        DrillPhase.OPENED,
        DrillPhase.RESTORED,
        DrillPhase.ENDED,
    ]


async def test_recovery_is_told_once_it_is_seen(tmp_path: Path) -> None:
    """After a deed and some seconds of good visits the drill says so, once."""
    acted = incident(IncidentStatus.VERIFYING, diagnosis=diagnosis(), results=[result()])
    stage = Stage(tmp_path, [*cured()[:2], *[acted] * 8, cured()[2]])
    stage.responder.cure_at = 2
    await stage.run()
    assert [phase for phase, _ in stage.said].count(DrillPhase.RECOVERED) == 1


async def test_the_label_is_sealed_before_and_opened_after(tmp_path: Path) -> None:
    """The commitment precedes the injection, nothing names the fault before the opening, and the opening opens it."""
    stage = Stage(tmp_path, cured())
    stage.responder.cure_at = 2
    await stage.run()
    kinds = [kind for kind, _, _ in stage.door.entries]
    assert kinds == ["commitment", "injection", "opening", "restoration"]
    sealed, broken, opened = (content for _, _, content in stage.door.entries[:3])
    assert "wound" not in str(sealed) + str(broken)
    assert opens(sealed["commitment"], Label.model_validate(opened["label"]), opened["salt"])
    assert opened["score"]["mitigated"] is True
    before = [
        text for phase, text in stage.said if phase in {DrillPhase.STEADY, DrillPhase.COMMITTED, DrillPhase.BROKEN}
    ]
    assert not any("wound" in text for text in before)


async def test_an_undetected_fault_is_judged_and_restored(tmp_path: Path) -> None:
    """No incident within the time: detected false, mitigated false, and nothing stays broken."""
    stage = Stage(tmp_path, [], detect_s=5)
    found = await stage.run()
    assert (found.detected, found.mitigated, found.incident) == (False, False, None)
    assert not stage.world.broken


async def test_a_responder_that_never_ends_is_judged_at_the_deadline(tmp_path: Path) -> None:
    """The oracle looks when the time is up, before the lease ends."""
    stage = Stage(tmp_path, [incident(IncidentStatus.DIAGNOSING)], finish_s=20)
    found = await stage.run()
    assert (found.detected, found.mitigated) == (True, False)
    assert stage.store.leases()[0].restored_by == "drill"


async def test_what_the_lease_restored_does_not_count(tmp_path: Path) -> None:
    """Somebody took the fault back meanwhile: users are served, the responder claims success, mitigated is false."""
    stage = Stage(tmp_path, cured())
    given = stage.responder.incident

    async def meddling(incident_id: str) -> Incident:
        for lease in stage.store.leases(unfinished=True):
            stage.store.claim(lease.id, "reaper", stage.world.clock.now())
            stage.world.broken = False
            stage.store.finish(lease.id, by="reaper", at=stage.world.clock.now(), restored=True, verified=True)
        return await given(incident_id)

    stage.responder.incident = meddling  # type: ignore[method-assign]
    found = await stage.run()
    assert found.mitigated is False


async def test_no_steady_state_no_drill(tmp_path: Path) -> None:
    """A patient that is ill already is not broken further."""
    stage = Stage(tmp_path, cured())
    stage.world.broken = True
    with pytest.raises(ChaosError, match="no steady state"):
        await stage.run()
    assert stage.store.leases() == []
    assert stage.door.entries == []


async def test_approvals_wait_for_a_person_unless_ordered(tmp_path: Path) -> None:
    """By default the drill answers nothing; with the order it answers each question once."""
    waiting = [incident(IncidentStatus.WAITING), incident(IncidentStatus.WAITING), *cured()[2:]]
    for approve, answered in ((False, []), (True, ["apr-1"])):
        stage = Stage(tmp_path / str(approve), waiting, approve=approve)
        stage.responder.waiting = ["apr-1"]
        stage.responder.cure_at = 2
        found = await stage.run()
        assert stage.responder.approved == answered
        assert found.approvals == 1


async def test_an_abstain_drill_pages_like_a_customer(tmp_path: Path) -> None:
    """The page names no fault; a reasoned healthy verdict without deeds is right."""
    calm = incident(IncidentStatus.DISMISSED, diagnosis=diagnosis(verdict=DiagnosisVerdict.HEALTHY))
    stage = Stage(tmp_path, [calm], abstain=True)
    found = await stage.run()
    [page] = stage.responder.pages
    assert page["title"] == "a complaint"
    assert "wound" not in str(page)
    assert (found.abstained, found.mitigated, found.harmful_actions) == (True, False, [])


async def test_what_is_worked_on_already_is_waited_for(tmp_path: Path) -> None:
    """A page that joined an incident from before would not be seen; the drill begins when that one ended."""
    stage = Stage(tmp_path, cured())
    stage.responder.cure_at = 2
    rows, before = stage.responder.incidents, [IncidentStatus.ACTING, IncidentStatus.RESOLVED]

    async def busy() -> list[Any]:
        older = incident(before.pop(0) if before else IncidentStatus.RESOLVED).model_copy(update={"id": "inc-0"})
        return [older.row(), *(await rows() if not before else [])]

    stage.responder.incidents = busy  # type: ignore[method-assign]
    found = await stage.run()
    assert before == []
    assert [text for _, text in stage.said if text.startswith("waiting for the end of inc-0")] != []
    assert (found.incident != "inc-0", found.mitigated) == (True, True)


async def test_an_abstain_drill_in_which_users_suffered_is_void(tmp_path: Path) -> None:
    """Nothing was to be broken; if users were not served all the same, nobody is examined, and all is taken back."""
    calm = incident(IncidentStatus.DISMISSED, diagnosis=diagnosis(verdict=DiagnosisVerdict.HEALTHY))
    stage = Stage(tmp_path, [calm], abstain=True)
    page = stage.responder.page

    async def page_and_stumble(alert: Mapping[str, Any]) -> None:
        stage.world.broken = True
        await page(alert)

    stage.responder.page = page_and_stumble  # type: ignore[method-assign]
    with pytest.raises(ChaosError, match="void") as told:
        await stage.run()
    assert "visits were not; the first:" in str(told.value.found)
    assert [lease.state for lease in stage.store.leases()] == [LeaseState.RESTORED]


async def test_a_dismissed_incident_hands_over_to_the_next(tmp_path: Path) -> None:
    """When the responder put one incident aside although users suffer, a younger open one is followed."""
    stage = Stage(tmp_path, [incident(IncidentStatus.DISMISSED), *cured()])
    stage.responder.cure_at = 3
    rows = stage.responder.incidents

    async def two() -> list[Any]:
        found = await rows()
        return [*found, found[0].model_copy(update={"id": "inc-2"})] if found else []

    stage.responder.incidents = two  # type: ignore[method-assign]
    assert (await stage.run()).mitigated is True


async def test_an_interrupted_drill_leaves_nothing_broken(tmp_path: Path) -> None:
    """Cancelling in mid-drill restores before it ends."""
    stage = Stage(tmp_path, [incident(IncidentStatus.DIAGNOSING)], finish_s=700)
    task = asyncio.create_task(stage.run())
    while not stage.world.broken:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not stage.world.broken
    assert stage.store.leases(unfinished=True) == []
