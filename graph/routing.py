"""Where a run goes next. Pure functions of the state; one table of tests covers them all."""

from __future__ import annotations

from typing import Literal

from domain.action import Judgement, Outcome, Verdict
from domain.alert import AlertStatus
from domain.conditions import findings
from domain.diagnosis import Diagnosis, DiagnosisVerdict
from domain.guard import ApprovalStatus
from domain.plan import Plan, Step
from graph.state import Knobs, State

AfterPerceive = Literal["probe", "perceive", "plan", "explain", "escalate"]
AfterPlan = Literal["judge", "escalate"]
AfterJudge = Literal["act", "approve", "plan", "escalate"]
AfterApprove = Literal["act", "roll_back", "plan", "explain", "escalate"]
AfterAct = Literal["verify", "approve", "plan", "escalate"]
AfterOversee = Literal["act", "approve", "clarify", "roll_back", "plan", "escalate", "explain"]
AfterClarify = Literal["act", "approve", "roll_back", "plan", "escalate"]
AfterRollBack = Literal["roll_back", "approve", "plan", "escalate"]

MAX_REVISIONS = 8
"""Plans of one run, refused ones included."""


def after_perceive(state: State, knobs: Knobs) -> AfterPerceive:
    """A verdict other than a fault must stand for some looks before it counts; a healthy one for two while an alert fires.

    So must a fault that rests on signals alone while probes gave no answer: on a busy machine they do at the next look.
    """
    diagnosis = state.get("diagnosis")
    if state.get("halt") or diagnosis is None:
        return "escalate"
    if wished_for(state):
        return "probe"
    if diagnosis.verdict is DiagnosisVerdict.FAULT:
        if unread(diagnosis) and state.get("looks", 0) < knobs.max_looks:
            return "perceive"
        return "escalate" if knobs.autonomy == "observe" else "plan"
    if diagnosis.verdict is DiagnosisVerdict.EXTERNAL:
        return "explain"
    if state.get("looks", 0) < knobs.max_looks or healthy_once(state):
        return "perceive"
    return "explain" if diagnosis.verdict is DiagnosisVerdict.HEALTHY else "escalate"


def after_plan(state: State) -> AfterPlan:
    """Without a step there is nothing safe to do."""
    plan = state.get("plan")
    return "judge" if plan is not None and plan.steps and not state.get("halt") else "escalate"


def after_judge(state: State, knobs: Knobs) -> AfterJudge:
    """All steps must be allowed or askable; a denied one sends the run back for a second choice."""
    plan = state.get("plan")
    if plan is None or state.get("halt") or state.get("revoked") or knobs.hands_off:
        return "escalate"
    verdicts = [verdict_of(state, step) for step in plan.steps]
    if Verdict.DENY in verdicts:
        return "plan" if plan.revision < MAX_REVISIONS else "escalate"
    return "approve" if verdicts[0] is Verdict.ASK else "act"


def after_approve(state: State) -> AfterApprove:
    """Only a person's yes leads on; a no asks for a second choice, or leaves standing what was not to be taken back.

    A question that was withdrawn because the symptoms ended leaves nothing to do.
    """
    status = (state.get("answer") or {}).get("status")
    if state.get("halt"):
        return "escalate"
    if moot(state):
        return "explain"
    undoing = bool(state.get("undo_asked"))
    if status in (ApprovalStatus.APPROVED, ApprovalStatus.MODIFIED):
        return "roll_back" if undoing else "act"
    plan = state.get("plan")
    if not undoing and status == ApprovalStatus.REJECTED and plan is not None and plan.revision < MAX_REVISIONS:
        return "plan"
    return "escalate"


def after_act(state: State) -> AfterAct:
    """A step that was carried out, in whatever way, is looked at; one that was not goes back.

    What a revoked agent did before is looked at too, so that overwatch can have it taken back.
    """
    step = current_step(state)
    plan = state.get("plan")
    if step is None or plan is None or state.get("halt"):
        return "escalate"
    if state.get("revoked"):
        return "verify" if was_carried_out(state) else "escalate"
    if state.get("stale") or any(r.step_id == step.id and not r.compensation for r in state.get("results", [])):
        return "verify"
    if verdict_of(state, step) is Verdict.ASK:
        return "approve"
    return "plan" if plan.revision < MAX_REVISIONS else "escalate"


def after_oversee(state: State, knobs: Knobs) -> AfterOversee:
    """Cured, a clarified plan first, or what overwatch leaves to do."""
    verifications = state.get("verifications", [])
    if state.get("halt") or not verifications:
        return "escalate"
    if verifications[-1].passed:
        return "explain"
    if state.get("decision") == "clarify" and clarifiable(state, knobs):
        return "clarify"
    return after_clarify(state, knobs)


def after_clarify(state: State, knobs: Knobs) -> AfterClarify:
    """Next step, take back, second choice, or a person."""
    if state.get("halt"):
        return "escalate"
    if state.get("undoing"):
        return "roll_back"
    if state.get("decision") == "revoke":
        return "escalate"
    verifications = state.get("verifications", [])
    worse = bool(verifications) and verifications[-1].regressed
    if not state.get("stale") and more_steps(state) and step_held(state) and not worse:
        step = current_step(state)
        return "approve" if step is not None and verdict_of(state, step) is Verdict.ASK else "act"
    return "plan" if replannable(state, knobs) else "escalate"


def after_roll_back(state: State, knobs: Knobs) -> AfterRollBack:
    """One compensation at a time, asked for where it must be; then a second choice while there are any."""
    if state.get("halt"):
        return "escalate"
    if state.get("undo_asked"):
        return "approve"
    if state.get("undoing"):
        return "roll_back"
    if state.get("decision") == "revoke":
        return "escalate"
    return "plan" if replannable(state, knobs) else "escalate"


def moot(state: State) -> bool:
    """Whether the last question was withdrawn because the symptoms had ended without an answer."""
    answer = state.get("answer") or {}
    return answer.get("status") == ApprovalStatus.EXPIRED and answer.get("moot") is True


def clarifiable(state: State, knobs: Knobs) -> bool:
    """Whether the plan may be clarified once more, and another one could follow."""
    return len(state.get("clarified", [])) < knobs.max_clarifications and state.get("replans", 0) < knobs.max_replans


def replannable(state: State, knobs: Knobs) -> bool:
    """Whether a second choice may be looked for: replans are left, and no clarification is outstanding."""
    return state.get("decision") != "clarify" and state.get("replans", 0) < knobs.max_replans


def unread(diagnosis: Diagnosis) -> bool:
    """Nothing was read that an action could remove, and not everything could be read."""
    return bool(diagnosis.blind_spots) and not any(findings(h.details, h.service) for h in diagnosis.hypotheses)


def healthy_once(state: State) -> bool:
    """A system that seems healthy for one look only, while an alert says otherwise: one look more decides."""
    seen = [row["verdict"] for row in state.get("confidence_history", [])[-2:]]
    if not seen or seen[-1] != DiagnosisVerdict.HEALTHY or seen == [DiagnosisVerdict.HEALTHY] * 2:
        return False
    return any(a.status is AlertStatus.FIRING for a in state.get("alerts", []))


def wished_for(state: State) -> bool:
    """Whether the last message asks for probes that have not run yet."""
    messages = state.get("messages", [])
    return bool(messages) and bool(getattr(messages[-1], "tool_calls", None))


def current_step(state: State) -> Step | None:
    """The step at the cursor."""
    plan, cursor = state.get("plan"), state.get("cursor", 0)
    return plan.steps[cursor] if plan is not None and cursor < len(plan.steps) else None


def more_steps(state: State) -> bool:
    """Whether the cursor stands on a step that was not carried out."""
    return current_step(state) is not None


def step_held(state: State) -> bool:
    """Whether the last step did what it promised by itself (it may need the next one to show)."""
    done = [r for r in state.get("results", []) if not r.compensation]
    return bool(done) and done[-1].outcome in (Outcome.SUCCEEDED, Outcome.SKIPPED)


def was_carried_out(state: State) -> bool:
    """Whether any step of the last plan was tried; only then is this a replan."""
    plan = state.get("plan")
    done = {r.step_id for r in state.get("results", [])}
    return plan is not None and any(s.id in done for s in plan.steps)


def verdict_of(state: State, step: Step) -> Verdict:
    """The newest verdict on a step; an unjudged step is denied."""
    return next((j.verdict for j in state.get("judgements", []) if j.step_id == step.id), Verdict.DENY)


def judgement_of(state: State, step: Step) -> Judgement | None:
    """The newest judgement of a step."""
    return next((j for j in state.get("judgements", []) if j.step_id == step.id), None)


def steps_to_undo(plan: Plan, state: State) -> list[str]:
    """Steps of this plan that left something and have an undo, last first. One that failed has it only when it was half done."""
    results = state.get("results", [])
    applied = {r.step_id for r in results if not r.compensation and r.outcome is not Outcome.SKIPPED}
    taken_back = {r.step_id for r in results if r.compensation}
    undoable = {r.step_id for r in results if r.undo is not None}
    return [s.id for s in reversed(plan.steps) if s.id in applied & undoable and s.id not in taken_back]
