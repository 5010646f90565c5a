"""What a person's answer does: to the approval, to the plan, and to nobody else's answer."""

from __future__ import annotations

from domain.action import Verdict
from domain.errors import ConflictError, GovernanceError
from domain.guard import Actor, Approval, ApprovalAnswer, Decision
from governance.approval import answered, check_answerable, close_unused, load_approval, record_answer
from governance.claims import Purpose
from governance.guard.attempt import Attempt, Door, Parts
from governance.guard.dry_run import compensations, witness
from governance.guard.judging import attempt_for
from governance.identity import Identity, Role
from governance.plans import PinnedPlan, load_plan, save_plan


async def give_answer(parts: Parts, door: Door, approval_id: str, answer: ApprovalAnswer, person: Identity) -> Approval:
    """Store one person's answer. Raises ConflictError, AuthError, NotFoundError, GovernanceError."""
    before = load_approval(parts.ledger, approval_id, parts.ledger.now)
    if _same_again(before, answer, person):
        return before
    check_answerable(before, person)
    pinned = load_plan(parts.ledger, before.plan)
    assert pinned is not None, "an approval belongs to a pinned plan"
    asked = before
    if answer.decision is Decision.MODIFY:
        asked = await _modified(parts, door, before, pinned, answer, person)
    after = answered(asked, answer, person, parts.ledger.now)
    with parts.ledger.transaction() as tx:
        record_answer(tx, before, after, answer, person)
        if answer.decision is Decision.MODIFY:
            save_plan(tx, _with_call(pinned, after))
        if answer.decision is Decision.TERMINATE:
            save_plan(tx, pinned.model_copy(update={"terminated_by": person.name}))
            close_unused(tx, pinned.change, f"{person.name} ended the plan", plan=pinned.plan.id)
    return after


async def _modified(
    parts: Parts, door: Door, before: Approval, pinned: PinnedPlan, answer: ApprovalAnswer, person: Identity
) -> Approval:
    """The approval for the call as the person wants it, judged again with the requester's rights, not the person's."""
    if answer.args is None:
        raise GovernanceError(
            "a modification needs arguments", expected="args", found="none", code="approval.arguments_missing"
        )
    call = before.call.model_copy(update={"args": answer.args})
    step = pinned.step(before.step_id).model_copy(update={"call": call, "tainted_args": []})
    actor = Actor(agent=before.requested_by, change=before.change)
    bound = _with_digest(pinned, step.id, step.binding_digest())
    attempt = attempt_for(parts, bound, step, actor, Purpose.JUDGE)
    attempt.identity = Identity(name=before.requested_by, roles=frozenset({Role.AGENT}))
    await door.judge(attempt)
    _refuse_denied(attempt, before, person)
    return before.model_copy(
        update={
            "call": call,
            "digest": attempt.digest,
            "witness": witness(attempt),
            "compensations": compensations(attempt),
            "summary": attempt.dry_run.summary if attempt.dry_run else "",
            "reasons": attempt.reasons,
            "quorum": max(before.quorum, attempt.quorum),
        }
    )


def _refuse_denied(attempt: Attempt, before: Approval, person: Identity) -> None:
    if attempt.verdict is Verdict.DENY:
        raise ConflictError(
            f"the modified step is denied; approval {before.id} stays open",
            expected="arguments that every wrapper of the guard lets through",
            found="; ".join(reason.text for reason in attempt.denials())[:400],
            hint=f"{person.name}: correct the arguments, or reject the step",
            code="approval.modification_denied",
        )


def _same_again(before: Approval, answer: ApprovalAnswer, person: Identity) -> bool:
    """The same person saying the same again (a lost response, a second tab) is no conflict."""
    meant = {
        Decision.APPROVE: "approved",
        Decision.MODIFY: "modified",
        Decision.REJECT: "rejected",
        Decision.ESCALATE: "escalated",
        Decision.TERMINATE: "terminated",
    }[answer.decision]
    same_args = answer.args is None or answer.args == before.call.args
    return person.name in before.answered_by and before.status.value == meant and same_args


def _with_call(pinned: PinnedPlan, approval: Approval) -> PinnedPlan:
    step = pinned.step(approval.step_id).model_copy(update={"call": approval.call})
    modified = {**pinned.modified, step.id: approval.call}
    return _with_digest(pinned, step.id, step.binding_digest()).model_copy(update={"modified": modified})


def _with_digest(pinned: PinnedPlan, step_id: str, digest: str) -> PinnedPlan:
    return pinned.model_copy(update={"digests": {**pinned.digests, step_id: digest}})
