"""Rehearsals in the app: proof on the table when they pass, one at a time, taken back after a crash, nobody's incident."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from contracts.context import DeploymentContext, FileChange
from contracts.draft import described
from contracts.rehearsal.changing import planned
from contracts.rehearsal.files import TrialFiles
from contracts.rehearsal.trial import Leg, Row, Trial, TrialStatus, Wish
from domain.action import ActionCall
from domain.alert import Alert, AlertStatus
from domain.contract import ValidatorKind
from domain.errors import ConflictError, NotFoundError, StorageUnavailableError
from graph.contracts.bargains import Bargains, Drafting
from graph.contracts.trials import Trials
from tests.fakes.staging import Staging
from tests.unit.web.test_web_contracts import Book, as_it_is

RISKY = FileChange(file_path="migrations/0002.sql", risk_tags=["schema", "cache"], lines_changed=900)


async def serving(service: str) -> str:
    return "v1"


def bargains_in(folder: Path, site: Staging) -> Bargains:
    found = Bargains(folder / "contracts", note=Book().note, say=Book().say, place=as_it_is, clock=site.clock)
    found.start(InMemorySaver())
    return found


def trials_in(folder: Path, site: Staging, table: Bargains) -> Trials:
    return Trials(site.ground, TrialFiles(folder / "rehearsals"), table, serving)


async def ended(trials: Trials, trial: Trial) -> Trial:
    async with asyncio.timeout(20):
        while not trials.get(trial.id).status.ended or trials._tasks:
            await asyncio.sleep(0.005)
    return trials.get(trial.id)


def drafting(head: str = "a") -> Drafting:
    context = DeploymentContext(deployment_id="d", service_name="api", version="v2", head=head, changes=[RISKY])
    return Drafting(context=context, findings=described(context))


@pytest.fixture
def site() -> Staging:
    return Staging()


@pytest.fixture
def table(tmp_path: Path, site: Staging) -> Bargains:
    return bargains_in(tmp_path, site)


@pytest.fixture
async def trials(tmp_path: Path, site: Staging, table: Bargains) -> AsyncIterator[Trials]:
    found = trials_in(tmp_path, site, table)
    yield found
    await found.close()


async def test_one_that_passes_is_proof_on_the_table(trials: Trials, table: Bargains, site: Staging) -> None:
    """In the name of whoever asked for it, with what was seen; the signature that missed it does so no longer."""
    contract = (await table.draft(drafting(), "dev")).contract
    assert ValidatorKind.ROLLBACK_REHEARSAL in table.get(contract.id).missing
    begun = await trials.submit(contract.id, Wish(), "maria")
    with pytest.raises(ConflictError, match="under way"):
        await trials.submit(contract.id, Wish(), "jo")
    found = await ended(trials, begun)
    assert (found.status, found.problems) == (TrialStatus.PASSED, [])
    kept = table.get(contract.id)
    assert ValidatorKind.ROLLBACK_REHEARSAL not in kept.missing
    assert kept.proofs[0].by == "firebreak for maria"
    assert found.id in kept.proofs[0].text
    assert kept.contract.rollback.rehearsed_at is not None
    schema = kept.contract.rollback.schema_compatibility
    assert schema is not None
    assert schema.old_code_new_schema is True
    assert [note["event"] for note in site.notes] == ["contract.rehearsal_begun", "contract.rehearsal_passed"]
    assert [t.id for t in trials.all()] == [begun.id]


async def test_a_full_disk_leaves_nothing_released(tmp_path: Path, table: Bargains, site: Staging) -> None:
    """It goes on to its end, shown from memory, and is proof once there is room to write it down."""
    files = Full(tmp_path / "rehearsals")
    trials = Trials(site.ground, files, table, serving)
    contract = (await table.draft(drafting(), "dev")).contract
    files.full = True
    with pytest.raises(StorageUnavailableError):
        await trials.submit(contract.id, Wish(), "maria")
    assert (site.calls, trials.all()) == ([], [])
    files.full, site.hold = False, asyncio.Event()
    begun = await trials.submit(contract.id, Wish(), "maria")
    files.full = True
    site.hold.set()
    async with asyncio.timeout(20):
        while not trials.get(begun.id).status.ended:
            await asyncio.sleep(0.005)
    assert (files.get(begun.id).status, trials.get(begun.id).restored) == (TrialStatus.RUNNING, True)
    assert table.get(contract.id).proofs == []
    files.full = False
    assert (await ended(trials, begun)).status is TrialStatus.PASSED
    assert files.get(begun.id) == trials.get(begun.id)
    assert table.get(contract.id).proofs[0].by == "firebreak for maria"
    await trials.close()


class Full(TrialFiles):
    """A disk that may be without room."""

    full = False

    def save(self, trial: Trial) -> None:
        if self.full:
            raise StorageUnavailableError("the record cannot be written", found="No space left on device")
        super().save(trial)


async def test_another_commit_meanwhile_is_not_proven(trials: Trials, table: Bargains, site: Staging) -> None:
    """What was rehearsed is not what is on the table."""
    contract = (await table.draft(drafting(), "dev")).contract
    site.hold = asyncio.Event()
    begun = await trials.submit(contract.id, Wish(), "maria")
    await table.draft(drafting("b"), "dev")
    site.hold.set()
    found = await ended(trials, begun)
    assert "another commit came meanwhile" in found.problems[0]
    assert table.get(contract.id).proofs == []


async def test_what_is_under_way_is_nobodys_incident(trials: Trials, table: Bargains, site: Staging) -> None:
    contract = (await table.draft(drafting(), "dev")).contract
    assert await trials.quiet(alert("api")) == ""
    site.hold = asyncio.Event()
    begun = await trials.submit(contract.id, Wish(), "maria")
    assert begun.id in await trials.quiet(alert("api"))
    assert await trials.quiet(alert("elsewhere")) == ""
    site.hold.set()
    await ended(trials, begun)
    assert await trials.quiet(alert("api")) == ""


async def test_what_a_killed_process_left_is_taken_back(tmp_path: Path, site: Staging, table: Bargains) -> None:
    """And it proves nothing."""
    row = Row(
        leg=Leg.RELEASE,
        plan="trial-1-1",
        call=ActionCall(action="promote_release", target="api", args={"version": "v2"}),
    )
    facts: dict[str, Any] = {
        "contract": "con-1",
        "context": "0",
        "service": "api",
        "version": "v2",
        "former": "v1",
        "by": "jo",
    }
    left = Trial(id="trial-1", rows=[row], before=site.state, started_at=site.clock.now(), **facts)
    TrialFiles(tmp_path / "rehearsals").save(left)
    await site.judge(planned(left, 0), site.ground().yard.actor(""))
    await site.apply("trial-1-1", "s1", site.ground().yard.actor(""))
    heir = trials_in(tmp_path, site, table)
    await heir.start()
    found = await ended(heir, left)
    assert (found.status, found.restored, site.state.version) == (TrialStatus.INTERRUPTED, True, "v1")
    with pytest.raises(NotFoundError):
        heir.get("trial-0")


async def test_one_that_breaks_off_is_taken_back_and_ended(tmp_path: Path, table: Bargains, site: Staging) -> None:
    """Also when even that does not work: nobody waits for it for ever."""
    contract = (await table.draft(drafting(), "dev")).contract

    async def gone(service: str) -> Any:
        raise ConnectionError

    site.witness = gone  # type: ignore[method-assign]
    trials = trials_in(tmp_path, site, table)
    found = await ended(trials, await trials.submit(contract.id, Wish(), "maria"))
    assert found.status is TrialStatus.FAILED
    assert "it broke off: ConnectionError" in found.problems[0]
    assert "look at it" in found.problems[-1]


def alert(service: str) -> Alert:
    ids: dict[str, Any] = {"source": "test", "delivery_id": "d", "identity": "i", "episode_id": "e", "title": "x"}
    return Alert(service=service, received_at=datetime.now(UTC), status=AlertStatus.FIRING, **ids)
