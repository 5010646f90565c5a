"""The lifecycle on the incident's own path: legal moves, clarified plans with their barrier, outputs, handoffs, recoveries."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest

from domain.action import Outcome, Verdict
from domain.conditions import Condition
from domain.crew import AgentState, Packet
from domain.errors import GovernanceError
from domain.incident import Incident, IncidentStatus
from domain.lifecycle import OutputType, Phase, RunResult, RuntimeStatus, may_move, may_stand
from domain.reasoning import OverseeAnswer, OverseeQuestion, Question
from governance.state import keys
from graph.barrier import CLARIFYING
from graph.held import Held
from graph.records.projection import project
from graph.state import State
from tests.fakes.house import House
from tests.fakes.responder import all_closed, responder, until
from tests.fakes.world import World

PAUSED = (Condition.PROCESS_PAUSED, "api")
POOL = (Condition.POOL_SATURATED, "api")
POOL_FACTS = {"size": 5, "in_use": 5, "waiting": 3}
ME, HELPER = "responder@inc-1", "helper@inc-1"
BODY = json.dumps([{}]).encode()


def stubborn(**more: Any) -> House:
    """A fault that the first choice does not cure."""
    return House(World(wrong={PAUSED: {}}, mends={"restart_service api"}), **more)


def incurable(**more: Any) -> House:
    return House(World(wrong={PAUSED: {}}), **more)


async def joined(house: House) -> None:
    """A second agent works on the same incident."""
    now = house.clock.now()
    deadline = now + timedelta(hours=1)
    await house.crew.enlist(Packet(agent=HELPER, task="inc-1", objective="help", deadline=deadline))
    await house.crew.report(AgentState(agent=HELPER, phase=Phase.VERIFY, status=RuntimeStatus.RUNNING, at=now))


async def helping(house: House, seen: list[RuntimeStatus]) -> None:
    """What the second agent does: it acknowledges what it is told, and remembers how it stood then."""
    while True:
        for plan in await house.crew.unacknowledged("inc-1", HELPER):
            stands = await house.crew.standing_of(HELPER)
            assert stands is not None
            seen.append(stands.status)
            await house.crew.acknowledge("inc-1", plan.id, HELPER)
        await asyncio.sleep(0)


def told(state: dict[str, Any], event: str) -> list[Any]:
    return [e for e in state["timeline"] if e.event == event]


async def test_a_failed_cure_is_clarified_before_the_second_choice() -> None:
    """Overwatch says why, what it read and what changes; the agent takes it into its packet and acknowledges it."""
    house = stubborn()
    state = await house.run()
    assert (state["outcome"], state["clarified"]) == ("mitigated", ["clarified-1"])
    plan = await house.crew.clarified("inc-1", "clarified-1")
    assert plan is not None
    assert plan.trigger == "the last step did not cure it"
    assert plan.acknowledged_by == [ME]
    assert any("resume_process on api succeeded" in row for row in plan.history_reviewed)
    assert set(plan.outputs_analysed) < {p.sha256 for p in state["outputs"]}
    assert "do not repeat resume_process on api" in plan.adjustments
    packet = await house.crew.packet(ME)
    assert packet is not None
    assert packet.objective == plan.clarified_objective != plan.original_objective
    assert set(plan.adjustments) <= set(packet.constraints)
    (row,) = told(state, "plan.clarified")
    assert row.data["plan"]["adjustments"] == plan.adjustments
    assert any(c.get("event") == "plan.clarified" and k == "decision" for k, _, c in house.notes)


async def test_the_next_step_of_a_plan_needs_no_clarification() -> None:
    """A plan whose steps hold goes on; a cure is never clarified."""
    house = House(World(wrong={PAUSED: {}}, mends={"resume_process api"}))
    state = await house.run()
    assert "clarified" not in state
    assert await house.crew.shared.items(keys.broadcast("inc-1")) == []


async def test_every_active_agent_is_waited_for() -> None:
    """The other agent is paused, hears the plan, acknowledges it, and runs again afterwards."""
    house = stubborn()
    await joined(house)
    seen: list[RuntimeStatus] = []
    helper = asyncio.ensure_future(helping(house, seen))
    state = await house.run()
    helper.cancel()
    assert state["outcome"] == "mitigated"
    assert seen == [RuntimeStatus.PAUSED]
    plan = await house.crew.clarified("inc-1", "clarified-1")
    stands = await house.crew.standing_of(HELPER)
    assert plan is not None
    assert stands is not None
    assert plan.acknowledged_by == [HELPER, ME]
    assert stands.status is RuntimeStatus.RUNNING


async def test_without_an_acknowledgement_nothing_goes_on() -> None:
    """An agent that stays silent keeps the barrier shut: a person gets the incident, no further step is taken."""
    house = stubborn()
    await joined(house)
    state = await house.run()
    assert (state["status"], state["outcome"]) == (IncidentStatus.ESCALATED, "disagreed")
    assert house.world.effects == ["resume_process api"]
    incident = project(state)  # type: ignore[arg-type]
    assert incident.run_result == RunResult.CONSENSUS_FAILURE
    assert "helper@inc-1 did not" in told(state, "plan.clarified")[0].text
    stands = await house.crew.standing_of(HELPER)
    assert stands is not None
    assert (stands.status, stands.note) == (RuntimeStatus.PAUSED, CLARIFYING)
    assert await house.crew.handoff("inc-1") is not None


async def test_clarifications_are_limited() -> None:
    """After the last one a person is asked, whatever replans are left."""
    house = incurable()
    state = await house.run(max_clarifications=1, max_replans=5)
    assert state["clarified"] == ["clarified-1"]
    assert state["status"] is IncidentStatus.ESCALATED
    assert len(house.world.effects) == 2
    none = incurable()
    state = await none.run(max_clarifications=0, max_replans=5)
    assert len(none.world.effects) == 1
    assert state["status"] is IncidentStatus.ESCALATED


async def test_a_lock_is_given_back_while_a_plan_is_clarified(tmp_path: Path) -> None:
    """Each step is taken under a token of its own stretch: the second is newer than the first."""
    house = stubborn()
    fences: list[int] = []
    apply = house.guard.apply

    async def noting(plan: str, step: str, actor: Any, approval: str | None = None) -> Any:
        fences.append(actor.fence)
        return await apply(plan, step, actor, approval)

    house.guard.apply = noting  # type: ignore[method-assign, assignment]
    async with responder(house, tmp_path) as runner:
        await runner.submit_delivery("generic", {}, BODY)
        (incident,) = await until(runner, all_closed)
        async with asyncio.timeout(10):
            while house.crew.fence(incident.id):
                await asyncio.sleep(0)
    assert incident.outcome == "mitigated"
    assert 0 < fences[0] < fences[1]


async def test_an_alarm_of_the_watch_is_heard_once() -> None:
    """What the watch noticed is the reason of the next clarification, and of no later one."""
    house = incurable()
    await house.crew.say("inc-1", "overwatch", "responder@inc-1 was silent for 61 s")
    state = await house.run()
    reasons = [e.text for e in told(state, "run.clarify")]
    assert reasons[0] == "responder@inc-1 was silent for 61 s"
    assert set(reasons[1:]) == {"the last step did not cure it"}


class Revoking:
    """A mind that trusts nobody."""

    name = "revoking"

    async def answer(self, question: Question[Any]) -> Any:
        if isinstance(question, OverseeQuestion):
            return OverseeAnswer(decision="revoke", reason="I do not trust this run")
        from agents.reasoners.rules import RulesReasoner

        return await RulesReasoner().answer(question)


async def test_a_revoked_agents_walk_ends_there() -> None:
    """REVOKED is the last phase; overwatch still hands over, explains and remembers."""
    house = incurable(reasoner=Revoking())
    state = await house.run()
    assert state["phases"][-1] is Phase.REVOKED
    assert state["brief"] is not None
    incident = project(state)  # type: ignore[arg-type]
    assert (incident.runtime, incident.run_result) == (RuntimeStatus.REVOKED, RunResult.ABORTED)
    assert [p.type for p in state["outputs"] if p.kind in ("handoff", "brief")] == [OutputType.GAMMA, OutputType.ALPHA]
    assert (await house.crew.history("responder"))[-1].result == "aborted"


async def test_an_illegal_move_is_charged_and_nothing_is_done() -> None:
    """A run that ended does not begin again: a PROCEDURE_VIOLATION before any node does anything."""
    house = incurable()
    with pytest.raises(GovernanceError, match="must not follow"):
        await house.run({"incident": "inc-1", "run": "run-1", "phases": [Phase.EXIT]})
    assert [(kind, change) for kind, change, _ in house.charged] == [("PROCEDURE_VIOLATION", "inc-1")]
    assert (house.world.effects, house.notes) == ([], [])


WORLDS: list[Callable[[], House]] = [
    lambda: House(World(wrong={PAUSED: {}}, mends={"resume_process api"})),
    stubborn,
    incurable,
    lambda: House(World()),
    lambda: House(World(blind=True, also_broken={"postgres"})),
    lambda: House(World(wrong={POOL: POOL_FACTS}, mends={"widen_queue api"})),
    lambda: stubborn(verdicts={"resume_process": Verdict.DENY, "restart_service": Verdict.DENY}),
    lambda: stubborn(verdicts={"resume_process": Verdict.ASK}),
    lambda: incurable(reasoner=Revoking()),
]


@pytest.mark.parametrize("number", range(len(WORLDS)))
async def test_every_state_of_every_run_is_in_the_table(number: int) -> None:
    """Phases only move legally, and every record pairs phase and status as the table allows."""
    house = WORLDS[number]()
    await house.run()
    config: Any = {"configurable": {"thread_id": "inc-1"}}
    seen: list[Incident] = []
    async for snapshot in house.graph().aget_state_history(config):
        if snapshot.values.get("started_at"):
            seen.append(project(cast(State, snapshot.values)))
    seen.reverse()
    for before, after in pairwise(seen):
        assert may_stand(Phase(after.phase), after.runtime), (after.phase, after.runtime)
        path = [Phase(before.phase), Phase(after.phase)]
        bridged = [Phase.PREFLIGHT, Phase.PACKAGE]
        assert may_move(*path) or any(may_move(path[0], b) and may_move(b, path[1]) for b in bridged), path
    stands = await house.crew.standing_of(ME)
    assert stands is not None
    assert may_stand(stands.phase, stands.status)
    assert stands.status is seen[-1].runtime or stands.status is RuntimeStatus.PAUSED


async def test_outputs_are_final_by_phase_and_provable() -> None:
    """Each output's name is the SHA-256 of its canonical JSON; drafts, refined and final ones stand where they belong."""
    house = stubborn()
    state = await house.run()
    rows = [(p.kind, p.phase, p.type) for p in state["outputs"]]
    assert rows[0] == ("alerts", Phase.BOOTSTRAP, OutputType.ALPHA)
    assert ("diagnosis", Phase.PREFLIGHT, OutputType.ALPHA) in rows
    assert ("plan", Phase.PLAN, OutputType.BETA) in rows
    assert ("step", Phase.EXECUTE, OutputType.BETA) in rows
    assert ("verification", Phase.VERIFY, OutputType.GAMMA) in rows
    assert rows[-1] == ("brief", Phase.REPORT, OutputType.GAMMA)
    for pointer in state["outputs"]:
        body = await house.artifacts.get(pointer.sha256)
        assert (body["agent"], body["kind"], body["phase"]) == (ME, pointer.kind, pointer.phase)
        assert body["at"].endswith("Z")
    assert {p.sha256 for p in state["outputs"]} == await house.crew.shared.members(keys.artifacts("inc-1"))
    assert {p.type for p in await house.crew.outputs(ME)} == set(OutputType)
    board = await house.crew.blackboard("inc-1")
    assert set(board) == {"diagnosis", "plan", "steps", "verification"}
    (row,) = await house.crew.history("responder")
    assert (row.task, row.result, row.outcome) == ("inc-1", "success", "mitigated")


async def test_who_takes_over_finds_everything_in_the_handoff() -> None:
    """Why, what is known, what was done, what is open, and where the outputs lie."""
    house = incurable()
    house.guard.outcomes["restart_service"] = Outcome.UNKNOWN
    state = await house.run()
    pointer = await house.crew.handoff("inc-1")
    assert pointer is not None
    assert (pointer.type, pointer.kind, pointer.phase) == (OutputType.GAMMA, "handoff", Phase.PACKAGE)
    document = (await house.artifacts.get(pointer.sha256))["content"]
    assert document["why"] == "no registered action removes what was read"
    assert document["known"]["cause"] == "process.paused at api"
    assert next((d["action"], d["taken_back"]) for d in document["done"]) == ("resume_process", False)
    assert document["open"]["unknown_outcome"] == [r.step_id for r in state["results"] if r.outcome is Outcome.UNKNOWN]
    assert len(document["outputs"]) >= 5
    assert document["run_result"] == "aborted"


async def test_a_waiting_agent_is_paused(tmp_path: Path) -> None:
    """While a person is asked the agent holds no lock, owes no heartbeat, and the record says so."""
    house = stubborn(verdicts={"resume_process": Verdict.ASK})
    async with responder(house, tmp_path) as runner:
        await runner.submit_delivery("generic", {}, BODY)
        (incident,) = await until(runner, lambda found: bool(found) and found[0].status is IncidentStatus.WAITING)
        assert incident.runtime is RuntimeStatus.PAUSED
        async with asyncio.timeout(5):
            while await house.crew.shared.holder(incident.id) is not None:
                await asyncio.sleep(0)
        agent = f"responder@{incident.id}"
        stands = await house.crew.standing_of(agent)
        assert stands is not None
        assert (stands.status, stands.note) == (RuntimeStatus.PAUSED, "a person is asked")
        assert await house.crew.last_beat(agent) is None


async def test_three_recoveries_then_a_person(tmp_path: Path) -> None:
    """The failure after the third recovery ends the run as FAILED, with a handoff; each one is on the timeline."""
    house = incurable()

    async def broken(*_: Any) -> Any:
        raise RuntimeError("the judge is ill")

    house.guard.judge = broken  # type: ignore[method-assign, assignment]
    async with responder(house, tmp_path) as runner:
        await runner.submit_delivery("generic", {}, BODY)
        (incident,) = await until(runner, all_closed)
        assert (incident.status, incident.outcome) == (IncidentStatus.ESCALATED, "failed")
        assert (incident.runtime, incident.run_result) == (RuntimeStatus.FAILED, RunResult.ERROR)
        assert incident.recoveries == 3
        assert len([e for e in incident.timeline if e.event == "run.failed"]) == 4
        handoff = next(p for p in incident.outputs if p.kind == "handoff")
        assert (await runner.output(incident.id, handoff.sha256))["content"]["outcome"] == "failed"
        assert [e["error"] for e in await house.crew.errors(f"responder@{incident.id}")] == ["RuntimeError"] * 4


async def test_a_run_that_cannot_even_hand_over_is_closed(tmp_path: Path) -> None:
    """The record ends as FAILED and says so; it is not taken up again."""
    house = incurable()

    async def broken(*_: Any) -> Any:
        raise RuntimeError("nothing can be noted")

    house._note = broken  # type: ignore[method-assign, assignment]
    async with responder(house, tmp_path) as runner:
        await runner.submit_delivery("generic", {}, BODY)
        (incident,) = await until(runner, lambda found: bool(found) and found[0].runtime is RuntimeStatus.FAILED)
        assert (incident.status, incident.outcome) == (IncidentStatus.ESCALATED, "failed")
        assert incident.closed_at is not None
        assert await runner._records.incidents.unfinished() == []


async def test_a_cure_stays_a_cure_when_it_cannot_be_remembered(tmp_path: Path) -> None:
    """A run that fails after the incident was resolved changes nothing about that."""
    house = House(World(wrong={PAUSED: {}}, mends={"resume_process api"}))

    async def broken(*_: Any) -> Any:
        raise RuntimeError("the library is shut")

    house.documents.remember = broken  # type: ignore[method-assign, assignment]
    async with responder(house, tmp_path) as runner:
        await runner.submit_delivery("generic", {}, BODY)
        (incident,) = await until(runner, lambda found: bool(found) and found[0].runtime is RuntimeStatus.FAILED)
        assert (incident.status, incident.outcome) == (IncidentStatus.RESOLVED, "mitigated")


async def test_an_output_that_cannot_be_stored_stops_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk costs the artifact, not the cure; it is a MISSING_ARTIFACT."""
    house = House(World(wrong={PAUSED: {}}, mends={"resume_process api"}))

    async def full(*_: Any) -> Any:
        raise OSError("no space left on device")

    monkeypatch.setattr(house.artifacts, "put", full)
    state = await house.run()
    assert (state["outcome"], state["outputs"]) == ("mitigated", [])
    assert {kind for kind, _, _ in house.charged} == {"MISSING_ARTIFACT"}


REVOKED = Held(revoked="responder was revoked by maria: looks odd")


async def test_a_run_that_hears_at_the_door_that_it_is_revoked_ends_there() -> None:
    """No second choice is looked for: nothing was done, what is known is handed over, the run was aborted."""
    house = incurable()
    house.guard.revoked = True
    state = await house.run()
    incident = project(cast(State, state))
    assert (incident.outcome, incident.run_result, incident.runtime) == ("revoked", "aborted", RuntimeStatus.REVOKED)
    assert (house.world.effects, len(state["plans"])) == ([], 1)
    assert [p.type for p in state["outputs"] if p.kind == "handoff"] == [OutputType.GAMMA]
    assert "may act no more" in told(state, "incident.escalated")[0].text


async def test_what_a_revoked_run_did_is_taken_back() -> None:
    """Revoked while its first step ran: looked at, taken back, handed over."""
    house = House(World(wrong={POOL: POOL_FACTS}))

    def revoked() -> None:
        house.held = REVOKED

    house.guard.after_effect = revoked
    state = await house.run()
    incident = project(cast(State, state))
    assert (incident.outcome, incident.run_result, incident.phase) == ("revoked", "aborted", "REVOKED")
    done = [effect for effect in house.world.effects if not effect.startswith("undo ")]
    assert len(done) == 1
    assert house.world.effects == [*done, f"undo {done[0]}"]
    assert "violation: responder was revoked by maria" in told(state, "run.revoke")[0].text


async def test_a_cure_stays_a_cure_when_its_agent_is_revoked() -> None:
    """The incident is resolved, and the run was aborted all the same."""
    house = House(World(wrong={PAUSED: {}}, mends={"resume_process api"}))

    def revoked() -> None:
        house.held = REVOKED

    house.guard.after_effect = revoked
    incident = project(cast(State, await house.run()))
    assert (incident.status, incident.outcome) == (IncidentStatus.RESOLVED, "mitigated")
    assert (incident.runtime, incident.run_result) == (RuntimeStatus.REVOKED, "aborted")
    assert (await house.crew.history("responder"))[-1].result == "aborted"
