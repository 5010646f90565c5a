"""The running responder: from deliveries to closed incidents, through crashes and people's orders."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.action import Verdict
from domain.alert import Change
from domain.conditions import Condition
from domain.errors import ConflictError, IntakeError, NotFoundError
from domain.guard import ApprovalAnswer, ApprovalStatus, Decision
from domain.incident import IncidentStatus
from graph.changes import all_changes
from graph.checkpoint.lease import Lease, ProcessLeases
from tests.fakes.house import House
from tests.fakes.responder import all_closed, responder, until
from tests.fakes.world import World

PAUSED = (Condition.PROCESS_PAUSED, "api")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
BODY = json.dumps([{}]).encode()


def paused(**more: object) -> House:
    return House(World(wrong={PAUSED: {}}, mends={"resume_process api"}), **more)  # type: ignore[arg-type]


async def test_a_delivery_becomes_a_mended_incident(tmp_path: Path) -> None:
    """Alert in, incident closed, events told, receipt kept."""
    async with responder(paused(), tmp_path) as runner, runner.subscribe() as events:
        delivery = await runner.submit_delivery("generic", {"Authorization": "Bearer x"}, BODY)
        (incident,) = await until(runner, all_closed)
        assert (incident.status, incident.outcome) == (IncidentStatus.RESOLVED, "mitigated")
        (receipt,) = await runner.delivery(delivery)
        assert (receipt.rule, receipt.incident) == ("opened", incident.id)
        seen = []
        async with asyncio.timeout(5):
            async for event in events:
                seen.append(event.type)
                if event.type.endswith("incident.resolved"):
                    break
        assert seen[0] == "dev.firebreak.incident.changed"
        assert "dev.firebreak.step.applied" in seen
        assert incident.brief is not None


async def test_the_same_episode_opens_nothing_twice(tmp_path: Path) -> None:
    """Duplicates, related alerts and resolved ones leave receipts, not incidents."""
    async with responder(paused(verdicts={"resume_process": Verdict.ASK}), tmp_path) as runner:
        await runner.submit_delivery("generic", {}, BODY)
        await until(runner, lambda found: bool(found) and found[0].status is IncidentStatus.WAITING)
        rows = [
            {},
            {"episode_id": "e2", "group_key": "", "service": "frontend"},
            {"episode_id": "e3", "group_key": "", "service": "unheard-of"},
            {"status": "resolved"},
        ]
        delivery = await runner.submit_delivery("generic", {}, json.dumps(rows).encode())
        async with asyncio.timeout(10):
            while len(receipts := await runner.delivery(delivery)) < 4:
                await asyncio.sleep(0.01)
        rules = {r.episode_id + r.rule for r in receipts}
        assert rules == {"shop-down@1duplicate", "e2grouped", "e3opened", "shop-down@1resolved"}
        assert len((await runner.incidents()).incidents) == 2


async def test_malformed_deliveries_are_refused_and_unknown_ids_said(tmp_path: Path) -> None:
    """Nothing malformed is stored; unknown ids are NotFoundErrors."""
    async with responder(paused(), tmp_path) as runner:
        with pytest.raises(IntakeError):
            await runner.submit_delivery("generic", {}, b"{nonsense")
        for call in (runner.incident("inc-x"), runner.delivery("dlv-x"), runner.stop("inc-x", "ada")):
            with pytest.raises(NotFoundError):
                await call


async def test_a_persons_answer_lets_the_run_go_on(tmp_path: Path) -> None:
    """Answered through the responder; the timeline says by whom."""
    async with responder(paused(verdicts={"resume_process": Verdict.ASK}), tmp_path) as runner:
        await runner.submit_delivery("generic", {}, BODY)
        await until(runner, lambda found: bool(found) and found[0].status is IncidentStatus.WAITING)
        (approval,) = await runner.approvals(open_only=True)
        await runner.answer_approval(approval.id, ApprovalAnswer(decision=Decision.APPROVE), "token")
        (incident,) = await until(runner, all_closed)
        assert incident.outcome == "mitigated"
        assert any(e.event == "approval.answered" and "ada" in e.text for e in incident.timeline)


async def test_open_is_everything_that_is_not_closed(tmp_path: Path) -> None:
    """Whoever asks for open incidents also wants those that wait for a person; a closed one is found by its own status."""
    house = paused(verdicts={"resume_process": Verdict.ASK})
    async with responder(house, tmp_path) as runner:
        await runner.submit_delivery("generic", {}, BODY)
        (waiting,) = await until(runner, lambda rows: bool(rows) and rows[0].status is IncidentStatus.WAITING)
        assert [r.id for r in (await runner.incidents(status="open")).incidents] == [waiting.id]
        assert (await runner.incidents(status="resolved")).incidents == []
        house.guard.answer(waiting.approvals[0], ApprovalStatus.APPROVED)
        await until(runner, all_closed)
        assert (await runner.incidents(status="open")).incidents == []
        assert [r.id for r in (await runner.incidents(status="resolved")).incidents] == [waiting.id]


async def test_an_answer_given_elsewhere_is_found(tmp_path: Path) -> None:
    """The action server is looked up: another surface answered first."""
    house = paused(verdicts={"resume_process": Verdict.ASK})
    async with responder(house, tmp_path) as runner:
        await runner.submit_delivery("generic", {}, BODY)
        await until(runner, lambda found: bool(found) and found[0].status is IncidentStatus.WAITING)
        (approval,) = await runner.approvals(open_only=True)
        house.guard.answer(approval.id, ApprovalStatus.APPROVED)
        (incident,) = await until(runner, all_closed)
        assert incident.outcome == "mitigated"


@pytest.mark.parametrize(("verb", "status"), [("stop", IncidentStatus.ESCALATED), ("take", IncidentStatus.TAKEN)])
async def test_people_stop_and_take(tmp_path: Path, verb: str, status: IncidentStatus) -> None:
    """The agents stand back at once; a closed incident cannot be stopped, only re-opened."""
    house = paused(verdicts={"resume_process": Verdict.ASK})
    async with responder(house, tmp_path) as runner:
        await runner.submit_delivery("generic", {}, BODY)
        (incident,) = await until(runner, lambda found: bool(found) and found[0].status is IncidentStatus.WAITING)
        await (runner.stop(incident.id, "ada") if verb == "stop" else runner.take(incident.id, "ada", person_token="t"))
        (incident,) = await until(runner, all_closed)
        assert (incident.status, house.world.effects) == (status, [])
        with pytest.raises(ConflictError):
            await runner.stop(incident.id, "ada")
        house.guard.verdicts.clear()
        fresh = await runner.reopen(incident.id, "ada", "try again")
        assert (fresh.reopens, fresh.id != incident.id) == (incident.id, True)
        await until(runner, all_closed)
        assert (await runner.incident(fresh.id)).outcome == "mitigated"


async def test_taken_over_and_given_back(tmp_path: Path) -> None:
    """The action server hears it first, with the person's own token; given back, the agents look afresh in a new run."""
    house = paused(verdicts={"resume_process": Verdict.ASK})
    async with responder(house, tmp_path) as runner:
        await runner.submit_delivery("generic", {}, BODY)
        (incident,) = await until(runner, lambda found: bool(found) and found[0].status is IncidentStatus.WAITING)
        with pytest.raises(ConflictError, match="nobody has taken"):
            await runner.give_back(incident.id, "ada", person_token="ada-token")
        taken = await runner.take(incident.id, "ada", "mine", person_token="ada-token")
        assert (taken.status, taken.outcome) == (IncidentStatus.TAKEN, "taken")
        with pytest.raises(ConflictError, match="is closed"):
            await runner.take(incident.id, "bo", person_token="bo-token")
        house.guard.verdicts.clear()
        fresh = await runner.give_back(incident.id, "ada", "done what I could", person_token="ada-token")
        await until(runner, all_closed)
        closed = await runner.incident(fresh.id)
        assert (closed.reopens, closed.outcome) == (incident.id, "mitigated")
        assert any("given back: done what I could" in entry.text for entry in closed.timeline)
    told = [
        (kind, change, content["token"]) for kind, change, content in house.notes if kind in ("taken", "given_back")
    ]
    assert told == [("taken", incident.id, "ada-token"), ("given_back", incident.id, "ada-token")]


async def test_what_people_say_they_changed_is_kept_as_evidence(tmp_path: Path) -> None:
    """Each change once, found again by its time, whichever source told it."""
    change = Change(id="chg-1", kind="config", time=NOON, service="api", summary="raised the pool", author="ada")
    async with responder(paused(), tmp_path) as runner:
        told = runner._records.inbox
        await told.note_changes([change, change])
        noon = NOON.timestamp()
        assert await told.changes((noon - 1, noon + 1)) == [change]
        assert await told.changes((noon + 1, noon + 2)) == []
        assert await all_changes(told.changes, told.changes)((0, noon)) == [change]


async def test_a_restart_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """The app dies while a person is asked; the next one resumes the same thread and repeats nothing."""
    house = paused(verdicts={"resume_process": Verdict.ASK})
    async with responder(house, tmp_path) as runner:
        await runner.submit_delivery("generic", {}, BODY)
        await until(runner, lambda found: bool(found) and found[0].status is IncidentStatus.WAITING)
    house.guard.answer(next(iter(house.guard.open)), ApprovalStatus.APPROVED)
    async with responder(house, tmp_path) as runner:
        (incident,) = await until(runner, all_closed)
    assert (incident.outcome, house.world.effects) == ("mitigated", ["resume_process api"])


class HardOfHearing(ProcessLeases):
    """Swallows one cancellation and goes on, as libraries below a run may."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    async def acquire(self, thread: str, holder: str, ttl_s: float) -> Lease | None:
        if not self.asked.is_set():
            self.asked.set()
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        return await super().acquire(thread, holder, ttl_s)


async def test_closing_is_heard_by_every_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run in which a cancellation got lost is asked again: the process ends."""
    monkeypatch.setattr("graph.tasks.HEARD_S", 0.01)
    leases = HardOfHearing()
    async with asyncio.timeout(20):
        async with responder(paused(verdicts={"resume_process": Verdict.ASK}), tmp_path, leases=leases) as runner:
            await runner.submit_delivery("generic", {}, BODY)
            await leases.asked.wait()
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("run ")]


async def test_a_delivery_stored_before_a_crash_is_worked_on(tmp_path: Path) -> None:
    """What was answered 202 is never lost."""
    house = paused()
    async with responder(house, tmp_path) as runner:
        for task in runner._tasks:
            task.cancel()
        await runner.submit_delivery("generic", {}, BODY)
    async with responder(house, tmp_path) as runner:
        (incident,) = await until(runner, all_closed)
        assert incident.outcome == "mitigated"


async def test_a_run_that_keeps_failing_ends_with_a_person(tmp_path: Path) -> None:
    """Errors are told on the timeline; after some attempts the incident escalates instead of hanging."""
    house = paused()

    async def broken(*args: object, **kwargs: object) -> list[object]:
        raise RuntimeError("no specs today")

    house.guard.specs = broken  # type: ignore[method-assign, assignment]
    async with responder(house, tmp_path) as runner:
        await runner.submit_delivery("generic", {}, BODY)
        (incident,) = await until(runner, all_closed)
    assert incident.status is IncidentStatus.ESCALATED
    assert any(e.event == "run.failed" for e in incident.timeline)


async def test_chat_answers_from_evidence(tmp_path: Path) -> None:
    """Every sentence carries ids; the answer ends; the author comes first."""
    async with responder(paused(), tmp_path) as runner:
        await runner.submit_delivery("generic", {}, BODY)
        (incident,) = await until(runner, all_closed)
        for text in ("why?", "what did you do?", "why not restart?", "what broke?", "status", "who is affected?"):
            pieces = [p async for p in runner.chat(text, incident.id)]
            assert (pieces[0].kind, pieces[-1].kind) == ("source", "done")
            assert all(p.evidence for p in pieces if p.kind == "sentence")
        assert [p.kind for p in pieces if p.kind == "sentence"]
        assert [p.kind async for p in runner.chat("anything going on?")][-1] == "done"
