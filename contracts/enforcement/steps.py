"""The changes of a rollout, each one step through the guard: a share, everything, and the way back."""

from __future__ import annotations

from enum import Enum
from typing import Any

from contracts.enforcement.rollout import Rollout
from contracts.enforcement.yard import Yard
from domain.action import ActionCall, Effect, Judgement, Outcome, Verdict
from domain.errors import ConflictError
from domain.guard import ApprovalStatus, Receipt
from domain.plan import Plan, Step

STEP = "s1"
DONE = (Outcome.SUCCEEDED, Outcome.SKIPPED)
ANSWERED = (ApprovalStatus.APPROVED, ApprovalStatus.CONSUMED)


class Answer(Enum):
    """What came of asking for a share."""

    DONE = "done"
    ASKS = "asks"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """Nobody can say whether it was given: the same step is asked for again, which the guard resolves by looking."""


async def give_share(rollout: Rollout, yard: Yard) -> tuple[Answer, dict[str, Any]]:
    """(what came of it, what to remember of it in the stage's row)."""
    actor, row = yard.actor(rollout.id), rollout.now
    plan = _plan(rollout)
    if not row.approval:
        (judgement,) = await yard.guard.judge(plan, actor)
        if judgement.verdict is Verdict.DENY:
            return Answer.REFUSED, {"reasons": _against(judgement)}
        if judgement.verdict is Verdict.ASK:
            return Answer.ASKS, {"approval": judgement.approval_id or ""}
    else:
        approval = await yard.guard.approval(row.approval)
        late = approval.expires_at <= yard.clock.now()
        if approval.status is ApprovalStatus.OPEN and not late:
            return Answer.ASKS, {}
        if approval.status not in ANSWERED:
            said = "nobody answered in time" if late else approval.reason or "no reason"
            return Answer.REFUSED, {"reasons": [f"approval {approval.id} {approval.status.value}: {said}"]}
    return _outcome(await yard.guard.apply(plan.id, STEP, actor, row.approval or None))


async def take_back(rollout: Rollout, yard: Yard) -> str:
    """Every given share, newest first, with the undo that was captured before it. Why it did not work; empty when it did."""
    for number in range(rollout.stage, -1, -1):
        row = rollout.stages[number]
        if row.began_at is None and not row.ledger:
            continue
        try:
            receipt = await yard.guard.compensate(plan_id(rollout, number), STEP, yard.actor(rollout.id))
        except ConflictError:
            continue  # nothing came of that step, so there is nothing to take back
        if row.began_at is not None and (receipt.verdict is not Verdict.ALLOW or receipt.outcome not in DONE):
            return f"the share of stage {number + 1} could not be taken back: {receipt.summary}"
    return ""


def plan_id(rollout: Rollout, number: int) -> str:
    """One plan per stage: a share is judged and approved when it is due, on the state of that moment."""
    return f"{rollout.id}-{number + 1}"


def _plan(rollout: Rollout) -> Plan:
    row = rollout.now
    action = "promote_release" if rollout.last else "split_release"
    args: dict[str, Any] = {"version": rollout.version}
    args |= {} if rollout.last else {"percent": max(1, int(row.percent))}
    step = Step(
        id=STEP,
        call=ActionCall(action=action, target=rollout.service, args=args),
        effect=Effect.REVERSIBLE,
        rationale=f"stage {rollout.stage + 1} of contract {rollout.contract.id}: {row.percent:g} % to {rollout.version}",
    )
    return Plan(
        id=plan_id(rollout, rollout.stage),
        incident=rollout.id,
        hypothesis=f"{rollout.version} of {rollout.service} keeps the terms of contract {rollout.contract.id}",
        steps=[step],
        source=f"contract {rollout.contract.id}",
        created_at=rollout.started_at,
    )


def _outcome(receipt: Receipt) -> tuple[Answer, dict[str, Any]]:
    ledger = {"ledger": receipt.ledger}
    if receipt.verdict is Verdict.ASK:
        return Answer.ASKS, {"approval": receipt.approval_id or ""}
    if receipt.verdict is Verdict.ALLOW and receipt.outcome in DONE:
        return Answer.DONE, ledger
    if receipt.outcome is Outcome.UNKNOWN:
        return Answer.UNKNOWN, ledger
    return Answer.REFUSED, {"reasons": [receipt.summary], **ledger}


def _against(judgement: Judgement) -> list[str]:
    return [r.text for r in judgement.reasons if r.verdict is Verdict.DENY] or ["no reason was given"]
