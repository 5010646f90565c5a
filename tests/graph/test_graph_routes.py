"""Whole runs over a little world: every route, with rules."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from langgraph.types import Command

from domain.action import Outcome, Verdict
from domain.alert import Change
from domain.conditions import Condition
from domain.guard import ApprovalStatus
from domain.incident import IncidentStatus
from domain.lifecycle import Phase, may_move
from tests.fakes.house import House
from tests.fakes.world import World

PAUSED = (Condition.PROCESS_PAUSED, "api")
POOL = (Condition.POOL_SATURATED, "api")
POOL_FACTS = {"size": 5, "in_use": 5, "waiting": 3}


class Killed(BaseException):
    """The process is gone."""


def events(state: dict[str, Any]) -> list[str]:
    return [e.event for e in state["timeline"]]


async def test_a_fault_is_mended_by_the_most_specific_action() -> None:
    """A paused process is resumed, users are watched, the brief cites evidence and ledger, the case is remembered."""
    house = House(World(wrong={PAUSED: {"pid": 7}}, mends={"resume_process api"}))
    state = await house.run()
    assert (state["status"], state["outcome"]) == (IncidentStatus.RESOLVED, "mitigated")
    assert house.world.effects == ["resume_process api"]
    assert state["phases"] == [
        Phase.BOOTSTRAP,
        Phase.PREFLIGHT,
        Phase.PLAN,
        Phase.EXECUTE,
        Phase.VERIFY,
        Phase.PACKAGE,
        Phase.REPORT,
        Phase.EXIT,
    ]
    brief = state["brief"]
    assert brief.unsupported == []
    assert all(s.evidence for s in brief.sentences())
    assert brief.actions[0].evidence == ["L1"]
    assert "inc-1" in house.documents.cases
    assert events(state)[0] == "incident.opened"


async def test_second_choice_when_the_first_does_not_cure() -> None:
    """The cure that did nothing is not tried again; the next one is."""
    house = House(World(wrong={PAUSED: {}}, mends={"restart_service api"}))
    state = await house.run()
    assert state["outcome"] == "mitigated"
    assert house.world.effects == ["resume_process api", "restart_service api"]
    assert state["replans"] == 1


async def test_a_reversible_step_that_does_not_help_is_taken_back() -> None:
    """The saga runs before the second choice."""
    house = House(World(wrong={POOL: POOL_FACTS}, mends={"widen_queue api"}))
    state = await house.run()
    assert house.world.effects == ["scale_pool api", "undo scale_pool api", "widen_queue api"]
    assert state["outcome"] == "mitigated"
    assert state["plans"][0].steps[0].call.args == {"size": 15}
    assert state["plans"][0].steps[0].undo.args == {"size": 5}


async def test_a_regression_is_taken_back() -> None:
    """Something that was good before the step and is not any more counts as worse."""
    house = House(World(wrong={POOL: POOL_FACTS}, mends={"scale_pool api"}, breaks={"scale_pool api"}))
    state = await house.run()
    assert state["verifications"][0].regressed
    assert "undo scale_pool api" in house.world.effects


async def test_causes_before_processes() -> None:
    """Torn local state is cleared first, then the process is restarted; the restart is not refused as tried."""
    wrong: dict[Any, Any] = {(Condition.LOCAL_STATE_TORN, "api"): {}}
    house = House(World(wrong=wrong, mends={"clear_cache api"}))
    state = await house.run()
    assert house.world.effects == ["clear_cache api"]
    assert state["outcome"] == "mitigated"


async def test_escalates_when_nothing_helps() -> None:
    """After the replans a person is asked; everything undoable was taken back."""
    house = House(World(wrong={POOL: POOL_FACTS}))
    state = await house.run(max_replans=1)
    assert (state["status"], state["outcome"]) == (IncidentStatus.ESCALATED, "rolled_back")
    assert [e for e in house.world.effects if not e.startswith("undo")] == ["scale_pool api", "widen_queue api"]
    assert len([e for e in house.world.effects if e.startswith("undo")]) == 2


async def test_healthy_after_some_looks() -> None:
    """Nothing is wrong: dismissed with the verdict, no plan, no action."""
    house = House(World())
    state = await house.run()
    assert (state["status"], state["outcome"]) == (IncidentStatus.DISMISSED, "healthy")
    assert (state["looks"], house.world.effects, state.get("plans", [])) == (3, [], [])


async def test_inconclusive_goes_to_a_person() -> None:
    """Users suffer and nothing shows why: escalated with the blind spots."""
    house = House(World(wrong={PAUSED: {}}, blind=True))
    state = await house.run()
    assert (state["status"], state["outcome"], house.world.effects) == (IncidentStatus.ESCALATED, "inconclusive", [])


async def test_denied_steps_lead_to_the_second_choice() -> None:
    """A denial excludes the pair and is no replan."""
    house = House(World(wrong={PAUSED: {}}, mends={"restart_service api"}), verdicts={"resume_process": Verdict.DENY})
    state = await house.run()
    assert (state["outcome"], house.world.effects, state["replans"]) == ("mitigated", ["restart_service api"], 0)


async def test_everything_denied_escalates_as_denied() -> None:
    """Without an allowed step nothing is done."""
    denied = {"resume_process": Verdict.DENY, "restart_service": Verdict.DENY}
    house = House(World(wrong={PAUSED: {}}), verdicts=denied)
    state = await house.run()
    assert (state["status"], state["outcome"], house.world.effects) == (IncidentStatus.ESCALATED, "denied", [])


@pytest.mark.parametrize("knobs", [{"autonomy": "observe"}, {"autonomy": "shadow"}, {"dry_run": True}])
async def test_hands_off(knobs: dict[str, Any]) -> None:
    """Observing, shadowing and dry runs touch nothing."""
    house = House(World(wrong={PAUSED: {}}))
    state = await house.run(**knobs)
    assert (state["status"], house.world.effects) == (IncidentStatus.ESCALATED, [])


async def test_waits_for_a_person_and_goes_on() -> None:
    """An asked step interrupts; the person's yes, looked up by the guard, lets it act."""
    house = House(World(wrong={PAUSED: {}}, mends={"resume_process api"}), verdicts={"resume_process": Verdict.ASK})
    state = await house.run()
    (waiting,) = state["__interrupt__"]
    assert house.world.effects == []
    assert waiting.value["action_requests"][0]["name"] == "resume_process"
    house.guard.answer(waiting.value["approval"], ApprovalStatus.APPROVED)
    state = await house.run(Command(resume={waiting.id: {"status": "approved"}}))
    assert (state["outcome"], house.world.effects) == ("mitigated", ["resume_process api"])


async def test_a_claimed_yes_is_no_yes() -> None:
    """Resuming with `approved` while the guard knows of no approval asks again and does nothing."""
    house = House(World(wrong={PAUSED: {}}), verdicts={"resume_process": Verdict.ASK})
    state = await house.run()
    (waiting,) = state["__interrupt__"]
    state = await house.run(Command(resume={waiting.id: "approved"}))
    assert state["__interrupt__"]
    assert house.world.effects == []


async def test_a_rejection_leads_to_the_second_choice() -> None:
    """The rejected pair is refused for the rest of the incident."""
    house = House(World(wrong={PAUSED: {}}, mends={"restart_service api"}), verdicts={"resume_process": Verdict.ASK})
    state = await house.run()
    (waiting,) = state["__interrupt__"]
    house.guard.answer(waiting.value["approval"], ApprovalStatus.REJECTED)
    state = await house.run(Command(resume={waiting.id: {"status": "rejected"}}))
    assert (state["outcome"], house.world.effects) == ("mitigated", ["restart_service api"])


async def test_an_expired_approval_escalates() -> None:
    """No answer is no yes."""
    house = House(World(wrong={PAUSED: {}}), verdicts={"resume_process": Verdict.ASK})
    (waiting,) = (await house.run())["__interrupt__"]
    state = await house.run(Command(resume={waiting.id: {"status": "expired"}}))
    assert (state["status"], house.world.effects) == (IncidentStatus.ESCALATED, [])


async def test_frozen_means_nothing_happens() -> None:
    """A frozen door escalates at once, without trying second choices."""
    house = House(World(wrong={PAUSED: {}}))
    house.guard.frozen = True
    state = await house.run()
    assert (state["status"], len(state["plans"]), house.world.effects) == (IncidentStatus.ESCALATED, 1, [])


async def test_a_compensation_that_needs_a_person_escalates() -> None:
    """What cannot be taken back unattended is said."""
    house = House(World(wrong={POOL: POOL_FACTS}))
    house.guard.refuses_undo = True
    state = await house.run()
    assert state["status"] is IncidentStatus.ESCALATED
    assert "needs a person" in state["timeline"][-3].text


async def test_unknown_outcome_is_looked_at_not_repeated() -> None:
    """An unknown outcome is verified by probes; the step is never sent again."""
    house = House(World(wrong={PAUSED: {}}, mends={"resume_process api"}))
    house.guard.outcomes["resume_process"] = Outcome.UNKNOWN
    state = await house.run()
    assert (state["outcome"], house.world.effects) == ("mitigated", ["resume_process api"])


async def test_phases_only_move_legally() -> None:
    """The recorded walk of a run with replans obeys the table."""
    house = House(World(wrong={POOL: POOL_FACTS}))
    phases = (await house.run())["phases"]
    assert all(may_move(now, then) for now, then in pairwise(phases))


async def test_a_crash_after_the_effect_repeats_nothing() -> None:
    """The runner dies after the effect and before its receipt; the resumed run gets the same receipt."""
    house = House(World(wrong={PAUSED: {}}, mends={"resume_process api"}))

    def die() -> None:
        house.guard.after_effect = lambda: None
        raise Killed

    house.guard.after_effect = die
    with pytest.raises(Killed):
        await house.run()
    state = await house.graph().ainvoke(None, {"configurable": {"thread_id": "inc-1"}}, durability="sync")
    assert (state["outcome"], house.world.effects) == ("mitigated", ["resume_process api"])


async def test_a_plan_that_rests_on_an_old_state_is_not_carried_out() -> None:
    """Somebody changed the target while a person was asked: nothing is done, the world is looked at, a fresh plan is made."""
    house = House(World(wrong={PAUSED: {}}, mends={"resume_process api"}), verdicts={"resume_process": Verdict.ASK})
    waiting = await house.run()
    (question,) = waiting["__interrupt__"]
    house.changes = [
        Change(id="chg-1", kind="config", time=house.clock.now(), service="api", summary="by hand", author="ada"),
        Change(
            id="chg-2", kind="config", time=house.clock.now(), service="elsewhere", summary="not ours", author="ada"
        ),
    ]
    house.guard.answer(question.value["approval"], ApprovalStatus.APPROVED)
    house.guard.verdicts.clear()
    state = await house.run(Command(resume={question.id: {"status": "approved"}}))
    (told,) = [e for e in state["timeline"] if e.event == "plan.outdated"]
    assert "config of api by ada: by hand" in told.text
    assert "elsewhere" not in told.text
    assert [plan.revision for plan in state["plans"]] == [1, 2]
    assert (state["outcome"], house.world.effects, state["stale"]) == ("mitigated", ["resume_process api"], "")


async def test_what_a_person_mended_meanwhile_is_not_mended_again() -> None:
    """The look after an outdated plan finds users served; nothing is done any more."""
    house = House(World(wrong={PAUSED: {}}, mends={"resume_process api"}), verdicts={"resume_process": Verdict.ASK})
    waiting = await house.run()
    (question,) = waiting["__interrupt__"]
    house.changes = [Change(id="chg-1", kind="config", time=house.clock.now(), service="api", summary="resumed it")]
    house.world.wrong.clear()
    house.guard.answer(question.value["approval"], ApprovalStatus.APPROVED)
    state = await house.run(Command(resume={question.id: {"status": "approved"}}))
    assert (state["outcome"], house.world.effects, len(state["plans"])) == ("mitigated", [], 1)
