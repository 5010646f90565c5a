"""One table for all of routing."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage

from domain.action import ActionCall, Effect, Judgement, Outcome, Verdict
from domain.alert import Alert, AlertStatus
from domain.clock import ManualClock
from domain.conditions import Condition
from domain.diagnosis import Diagnosis, DiagnosisVerdict, Hypothesis
from domain.guard import ApprovalStatus
from domain.plan import Plan, Step, StepResult
from domain.report import Verification
from graph import routing
from graph.state import Knobs, State

NOW = ManualClock().now()
CALL = ActionCall(action="resume_process", target="api")
ONE = Step(id="r1s1", call=CALL, effect=Effect.TRANSIENT, rationale="")
TWO = Step(id="r1s2", call=CALL, effect=Effect.TRANSIENT, rationale="")
KNOBS = Knobs()
WISH = AIMessage(content="", tool_calls=[{"name": "state", "args": {}, "id": "1", "type": "tool_call"}])


def plan(*steps: Step, revision: int = 1) -> Plan:
    return Plan(id="p", incident="i", hypothesis="h", steps=list(steps), revision=revision, created_at=NOW)


def judged(verdict: Verdict, step: str = "r1s1") -> Judgement:
    return Judgement(step_id=step, verdict=verdict, judged_at=NOW)


def done(outcome: Outcome = Outcome.SUCCEEDED, step: str = "r1s1", **more: Any) -> StepResult:
    return StepResult(step_id=step, action="a", target="t", outcome=outcome, summary="", at=NOW, **more)


def checked(*, good: bool, regressed: bool = False) -> Verification:
    return Verification(step_id="r1s1", symptoms_relieved=good, cause_repaired=None, regressed=regressed, at=NOW)


def found(verdict: DiagnosisVerdict) -> Diagnosis:
    return Diagnosis(incident="i", verdict=verdict, confidence=0.5)


def looks(verdicts: str) -> list[dict[str, Any]]:
    """A confidence history: h for healthy, i for inconclusive."""
    return [{"verdict": {"h": "healthy", "i": "inconclusive"}[v], "look": n} for n, v in enumerate(verdicts)]


def alert(status: AlertStatus) -> Alert:
    return Alert(
        source="t", delivery_id="d", identity="a", episode_id="a1", title="slow", status=status, received_at=NOW
    )


FIRING, OVER = alert(AlertStatus.FIRING), alert(AlertStatus.RESOLVED)
FAULT, HEALTHY = found(DiagnosisVerdict.FAULT), found(DiagnosisVerdict.HEALTHY)
UNCLEAR, EXTERNAL = found(DiagnosisVerdict.INCONCLUSIVE), found(DiagnosisVerdict.EXTERNAL)
BLIND = FAULT.model_copy(update={"blind_spots": ["process_state of api: no answer within 2 s"]})
READ = Hypothesis(
    rank=1, service="api", confidence=0.7, statement="paused", details={"conditions": [Condition.PROCESS_PAUSED]}
)
ALLOW, ASK, DENY = (judged(v) for v in Verdict)
REJECTED = {"status": ApprovalStatus.REJECTED}


@pytest.mark.parametrize(
    ("state", "knobs", "goes"),
    [
        (State(), KNOBS, "escalate"),
        (State(diagnosis=FAULT, halt="stopped"), KNOBS, "escalate"),
        (State(diagnosis=FAULT, messages=[WISH]), KNOBS, "probe"),
        (State(diagnosis=FAULT, messages=[WISH, ToolMessage(content="", tool_call_id="1")]), KNOBS, "plan"),
        (State(diagnosis=FAULT), KNOBS, "plan"),
        (State(diagnosis=FAULT), Knobs(autonomy="observe"), "escalate"),
        (State(diagnosis=BLIND, looks=1), KNOBS, "perceive"),
        (State(diagnosis=BLIND, looks=3), KNOBS, "plan"),
        (State(diagnosis=BLIND.model_copy(update={"hypotheses": [READ]}), looks=1), KNOBS, "plan"),
        (State(diagnosis=EXTERNAL), KNOBS, "explain"),
        (State(diagnosis=HEALTHY, looks=1), KNOBS, "perceive"),
        (State(diagnosis=HEALTHY, looks=3), KNOBS, "explain"),
        (State(diagnosis=UNCLEAR, looks=3), KNOBS, "escalate"),
        (State(diagnosis=HEALTHY, looks=3, alerts=[FIRING]), KNOBS, "explain"),
        (State(diagnosis=HEALTHY, looks=3, alerts=[FIRING], confidence_history=looks("h")), KNOBS, "perceive"),
        (State(diagnosis=HEALTHY, looks=3, alerts=[FIRING], confidence_history=looks("iih")), KNOBS, "perceive"),
        (State(diagnosis=HEALTHY, looks=3, alerts=[OVER], confidence_history=looks("iih")), KNOBS, "explain"),
        (State(diagnosis=HEALTHY, looks=4, alerts=[FIRING], confidence_history=looks("iihh")), KNOBS, "explain"),
        (State(diagnosis=UNCLEAR, looks=4, alerts=[FIRING], confidence_history=looks("iihi")), KNOBS, "escalate"),
    ],
)
def test_after_perceive(state: State, knobs: Knobs, goes: str) -> None:
    """Verdicts must stand before they count; wishes come first."""
    assert routing.after_perceive(state, knobs) == goes


@pytest.mark.parametrize(
    ("state", "goes"),
    [
        (State(), "escalate"),
        (State(plan=plan()), "escalate"),
        (State(plan=plan(ONE)), "judge"),
        (State(plan=plan(ONE), halt="taken over"), "escalate"),
    ],
)
def test_after_plan(state: State, goes: str) -> None:
    """No step, no judgement."""
    assert routing.after_plan(state) == goes


@pytest.mark.parametrize(
    ("state", "knobs", "goes"),
    [
        (State(), KNOBS, "escalate"),
        (State(plan=plan(ONE), judgements=[ALLOW], halt="frozen"), KNOBS, "escalate"),
        (State(plan=plan(ONE), judgements=[DENY], revoked="by maria"), KNOBS, "escalate"),
        (State(plan=plan(ONE), judgements=[ALLOW]), Knobs(dry_run=True), "escalate"),
        (State(plan=plan(ONE), judgements=[ALLOW]), Knobs(autonomy="shadow"), "escalate"),
        (State(plan=plan(ONE), judgements=[ALLOW]), KNOBS, "act"),
        (State(plan=plan(ONE), judgements=[ASK]), KNOBS, "approve"),
        (State(plan=plan(ONE)), KNOBS, "plan"),
        (State(plan=plan(ONE, TWO), judgements=[ALLOW, judged(Verdict.DENY, "r1s2")]), KNOBS, "plan"),
        (State(plan=plan(ONE, revision=8), judgements=[DENY]), KNOBS, "escalate"),
    ],
)
def test_after_judge(state: State, knobs: Knobs, goes: str) -> None:
    """Unjudged means denied; one denied step sends the whole plan back."""
    assert routing.after_judge(state, knobs) == goes


@pytest.mark.parametrize(
    ("state", "goes"),
    [
        (State(), "escalate"),
        (State(answer={"status": "approved"}), "act"),
        (State(answer={"status": "modified"}), "act"),
        (State(answer={"status": "approved"}, halt="stopped"), "escalate"),
        (State(answer=REJECTED, plan=plan(ONE)), "plan"),
        (State(answer=REJECTED, plan=plan(ONE), undoing=["r1s1"], undo_asked="apr-1"), "escalate"),
        (State(answer={"status": "approved"}, plan=plan(ONE), undoing=["r1s1"], undo_asked="apr-1"), "roll_back"),
        (State(answer=REJECTED, plan=plan(ONE, revision=8)), "escalate"),
        (State(answer=REJECTED), "escalate"),
        (State(answer={"status": "expired"}), "escalate"),
        (State(answer={"status": "expired", "moot": False}), "escalate"),
        (State(answer={"status": "expired", "moot": True}), "explain"),
        (State(answer={"status": "expired", "moot": True}, halt="stopped"), "escalate"),
        (State(answer={"status": "expired", "moot": "yes"}), "escalate"),
        (State(answer={"status": "approved", "moot": True}), "act"),
        (State(answer={"status": "please do"}), "escalate"),
    ],
)
def test_after_approve(state: State, goes: str) -> None:
    """Only a yes leads on; a question whose symptoms ended leads to the brief."""
    assert routing.after_approve(state) == goes


@pytest.mark.parametrize(
    ("state", "goes"),
    [
        (State(), "escalate"),
        (State(plan=plan(ONE), cursor=1), "escalate"),
        (State(plan=plan(ONE), results=[done()], halt="stopped"), "escalate"),
        (State(plan=plan(ONE), results=[done()]), "verify"),
        (State(plan=plan(ONE), results=[done(Outcome.FAILED)]), "verify"),
        (State(plan=plan(ONE), judgements=[ASK]), "approve"),
        (State(plan=plan(ONE), judgements=[DENY]), "plan"),
        (State(plan=plan(ONE), judgements=[DENY], revoked="by maria"), "escalate"),
        (State(plan=plan(ONE, TWO), cursor=1, results=[done()], revoked="by maria"), "verify"),
        (State(plan=plan(ONE), judgements=[DENY], results=[done(compensation=True)]), "plan"),
        (State(plan=plan(ONE, revision=8), judgements=[DENY]), "escalate"),
    ],
)
def test_after_act(state: State, goes: str) -> None:
    """Whatever was carried out is looked at."""
    assert routing.after_act(state) == goes


GOOD, BAD, WORSE = checked(good=True), checked(good=False), checked(good=False, regressed=True)


@pytest.mark.parametrize(
    ("state", "knobs", "goes"),
    [
        (State(), KNOBS, "escalate"),
        (State(verifications=[GOOD], halt="stopped"), KNOBS, "escalate"),
        (State(verifications=[GOOD]), KNOBS, "explain"),
        (State(verifications=[BAD], undoing=["r1s1"]), KNOBS, "roll_back"),
        (State(verifications=[BAD], decision="revoke"), KNOBS, "escalate"),
        (
            State(
                verifications=[BAD],
                plan=plan(ONE, TWO),
                cursor=1,
                results=[done()],
                judgements=[judged(Verdict.ALLOW, "r1s2")],
            ),
            KNOBS,
            "act",
        ),
        (
            State(
                verifications=[BAD],
                plan=plan(ONE, TWO),
                cursor=1,
                results=[done()],
                judgements=[judged(Verdict.ASK, "r1s2")],
            ),
            KNOBS,
            "approve",
        ),
        (State(verifications=[WORSE], plan=plan(ONE, TWO), cursor=1, results=[done()]), KNOBS, "plan"),
        (State(verifications=[BAD], plan=plan(ONE, TWO), cursor=1, results=[done(Outcome.FAILED)]), KNOBS, "plan"),
        (State(verifications=[BAD], plan=plan(ONE, TWO), cursor=1), KNOBS, "plan"),
        (State(verifications=[BAD], plan=plan(ONE), cursor=1, results=[done()]), KNOBS, "plan"),
        (State(verifications=[BAD], plan=plan(ONE), cursor=1, results=[done()], replans=2), KNOBS, "escalate"),
    ],
)
def test_after_oversee(state: State, knobs: Knobs, goes: str) -> None:
    """Cured, taken back, next step, second choice or a person."""
    assert routing.after_oversee(state, knobs) == goes


@pytest.mark.parametrize(
    ("state", "goes"),
    [
        (State(halt="needs a person", undoing=["r1s1"]), "escalate"),
        (State(undoing=["r1s1"]), "roll_back"),
        (State(undoing=["r1s1"], undo_asked="apr-1"), "approve"),
        (State(undoing=["r1s1"], undo_asked="apr-1", halt="taken over"), "escalate"),
        (State(decision="revoke"), "escalate"),
        (State(), "plan"),
        (State(replans=2), "escalate"),
    ],
)
def test_after_roll_back(state: State, goes: str) -> None:
    """One compensation at a time, then a second choice."""
    assert routing.after_roll_back(state, KNOBS) == goes


@pytest.mark.parametrize(
    ("state", "knobs", "goes"),
    [
        (State(verifications=[BAD], decision="clarify"), KNOBS, "clarify"),
        (State(verifications=[GOOD], decision="clarify"), KNOBS, "explain"),
        (State(verifications=[BAD], decision="clarify", undoing=["r1s1"]), KNOBS, "clarify"),
        (State(verifications=[BAD], decision="clarify", clarified=["c1", "c2", "c3"]), KNOBS, "escalate"),
        (State(verifications=[BAD], decision="clarify", clarified=["c"] * 3, undoing=["r1s1"]), KNOBS, "roll_back"),
        (State(verifications=[BAD], decision="clarify", replans=2), KNOBS, "escalate"),
        (State(verifications=[BAD], decision="clarify"), Knobs(max_clarifications=0), "escalate"),
    ],
)
def test_clarifications_are_limited(state: State, knobs: Knobs, goes: str) -> None:
    """A failed cure is clarified first while there are any left and another plan may follow."""
    assert routing.after_oversee(state, knobs) == goes


@pytest.mark.parametrize(
    ("state", "goes"),
    [
        (State(halt="the clarified plan was not acknowledged by x"), "escalate"),
        (State(decision="continue", undoing=["r1s1"]), "roll_back"),
        (State(decision="continue", verifications=[BAD]), "plan"),
    ],
)
def test_after_clarify(state: State, goes: str) -> None:
    """Acknowledged by all: take back, go on or plan again; otherwise a person."""
    assert routing.after_clarify(state, KNOBS) == goes


def test_only_applied_undoable_steps_are_taken_back() -> None:
    """Last first; irreversible and already taken back ones are left alone, failed ones too unless they were half done."""
    three = Step(id="r1s3", call=CALL, effect=Effect.REVERSIBLE, rationale="")
    results = [
        done(undo=CALL),
        done(step="r1s2"),
        done(Outcome.UNKNOWN, step="r1s3", undo=CALL),
    ]
    state = State(results=results)
    assert routing.steps_to_undo(plan(ONE, TWO, three), state) == ["r1s3", "r1s1"]
    assert routing.steps_to_undo(plan(ONE, TWO, three), State(results=[*results, done(compensation=True)])) == ["r1s3"]
    failed = done(Outcome.FAILED)
    assert routing.steps_to_undo(plan(ONE), State(results=[failed])) == []
    assert routing.steps_to_undo(plan(ONE), State(results=[failed.model_copy(update={"undo": CALL})])) == ["r1s1"]
    assert routing.judgement_of(State(judgements=[ALLOW]), ONE) == ALLOW
    assert routing.judgement_of(State(), ONE) is None
