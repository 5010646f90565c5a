"""The lookout: a question about a system that is healthy again is withdrawn, and only then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domain.action import Verdict
from domain.conditions import Condition
from domain.guard import ApprovalStatus
from domain.incident import Incident, IncidentStatus
from domain.report import Check, Verification
from graph import lookout, vigil
from graph.lookout import Lookout, ended, withdrawal
from graph.state import Knobs, State
from tests.fakes.house import House
from tests.fakes.responder import responder, until
from tests.fakes.world import World

PAUSED = (Condition.PROCESS_PAUSED, "api")
BODY = json.dumps([{}]).encode()
KNOBS = Knobs(verify_s=6.0)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks follow each other at once."""
    monkeypatch.setattr(lookout, "EVERY_S", 0.01)
    monkeypatch.setattr(vigil, "EVERY_S", 0.01)


def asking() -> House:
    return House(World(wrong={PAUSED: {}}, mends={"resume_process api"}), verdicts={"resume_process": Verdict.ASK})


async def waiting() -> tuple[House, State]:
    """A house with an incident that waits for a person."""
    house = asking()
    state: Any = await house.run()
    assert state["__interrupt__"]
    return house, state


async def unheard(incident: str, event: str, text: str, **data: Any) -> None:
    """Nobody listens."""


async def seen(house: House, state: State) -> Verification | None:
    """One look."""
    plan = state.get("plan")
    assert plan is not None
    return await Lookout(house.services, unheard).look(state, plan, KNOBS)


def found(before: bool | None = False, cause: bool | None = True, *, served: bool = True) -> Verification:
    at = House(World()).clock.now()
    return Verification(
        step_id=None, symptoms_relieved=served, cause_repaired=cause, before={"frontend/shop": before}, at=at
    )


async def test_while_users_suffer_no_long_look_is_taken() -> None:
    """The first glance at the health checks is enough."""
    house, state = await waiting()
    assert await seen(house, state) is None


async def test_the_whole_window_is_watched() -> None:
    """Health that lasted less than the plan's window ended nothing."""
    house, state = await waiting()
    house.world.wrong.clear()
    before = house.clock.monotonic()
    good = await seen(house, state)
    assert good is not None
    assert ended(good)
    assert house.clock.monotonic() - before >= KNOBS.verify_s
    assert withdrawal(good, good.at).found.startswith(
        "users are served; the cause is gone; checked frontend/shop, cause process.paused at api"
    )
    assert house.world.effects == []


@pytest.mark.parametrize(
    ("look", "over"),
    [
        (found(), True),
        (found(cause=None), True),
        (found(cause=False), False),
        (found(served=False), False),
        (found(before=True), True),
        (found(before=True, cause=None), False),
        (found(before=None, cause=None), False),
        (found().model_copy(update={"regressed": True}), False),
        (found().model_copy(update={"checks": [Check(name="n", kind="durable", ok=False, text="")]}), False),
    ],
)
def test_what_counts_as_ended(look: Verification, over: bool) -> None:
    """Users are served, nothing speaks of the cause; who never suffered needs the cause to be read as gone."""
    assert ended(look) is over


async def one_waiting(runner: Any) -> Incident:
    await runner.submit_delivery("generic", {}, BODY)
    (incident,) = await until(runner, lambda rows: bool(rows) and rows[0].status is IncidentStatus.WAITING)
    return incident


async def test_a_moot_question_closes_the_incident_and_a_relapse_plans_anew(tmp_path: Path) -> None:
    """Mended by hand while a person was asked: withdrawn, dismissed as healthy; broken again: a new run asks again."""
    house = asking()
    async with responder(house, tmp_path) as runner:
        first = await one_waiting(runner)
        house.world.wrong.clear()
        (over,) = await until(runner, lambda rows: rows[0].status.terminal and rows[0].phase == "EXIT")
        assert (over.status, over.outcome, over.run_result) == (IncidentStatus.DISMISSED, "healthy", "success")
        (moot,) = await runner.approvals(incident=first.id)
        assert (moot.status, moot.moot_since is not None) == (ApprovalStatus.EXPIRED, True)
        said = next(e.text for e in over.timeline if e.event == "approval.withdrawn")
        assert said.startswith("resume_process on api: withdrawn, symptoms ended")
        house.world.wrong[PAUSED] = {}
        rows = await until(
            runner, lambda rows: len(rows) == 2 and any(r.status is IncidentStatus.WAITING for r in rows)
        )
        again = next(r for r in rows if r.id != first.id)
        assert (again.reopens, len(again.plans)) == (first.id, 1)
        assert await runner.approvals(incident=again.id, open_only=True)
    assert house.world.effects == []


async def test_users_who_are_served_while_the_cause_is_there_leave_the_question(tmp_path: Path) -> None:
    """Traffic moved away: the timeline says so once, the proposal stands."""
    house = asking()
    async with responder(house, tmp_path) as runner:
        incident = await one_waiting(runner)
        house.world.led_around = True
        (eased,) = await until(runner, lambda rows: any(e.event == "symptoms.eased" for e in rows[0].timeline))
        told = [e.text for e in eased.timeline if e.event == "symptoms.eased"]
        assert told == ["users are served while a person is asked, but the cause is still there: the question stands"]
        assert await runner.approvals(incident=incident.id, open_only=True)


async def test_taking_a_step_back_is_asked_whatever_the_symptoms_do() -> None:
    """Our own change does not become right because users are served."""
    house, state = await waiting()
    watch = Lookout(house.services, unheard)
    async with watch.over({**state, "undo_asked": "apr-1"}, "apr-1", KNOBS):
        house.world.wrong.clear()
        await house.clock.sleep(60)
    assert [a.status for a in house.guard.open.values()] == [ApprovalStatus.OPEN]
