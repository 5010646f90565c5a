"""Approvals: one question to people, bound to one state of the world, answered once and used once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from domain.action import ActionCall
from domain.errors import AuthError, ConflictError, GovernanceError, NotFoundError
from domain.guard import Approval, ApprovalAnswer, ApprovalStatus, Decision, Withdrawal
from domain.value import digest
from governance.identity import Identity
from governance.ledger.port import Draft, Reader, Record, Transaction

KIND = "approval"
GRANTED = frozenset({ApprovalStatus.APPROVED, ApprovalStatus.MODIFIED})
"""Statuses with which a step may be carried out."""

_CLOSING: dict[Decision, ApprovalStatus] = {
    Decision.REJECT: ApprovalStatus.REJECTED,
    Decision.ESCALATE: ApprovalStatus.ESCALATED,
    Decision.TERMINATE: ApprovalStatus.TERMINATED,
}


def approval_digest(call: ActionCall, witness: dict[str, Any], policy: str, compensations: Sequence[ActionCall]) -> str:
    """What an approval is bound to. Any difference makes it stale."""
    return digest(
        {
            "call": call.model_dump(mode="json"),
            "witness": witness,
            "policy": policy,
            "compensations": [c.model_dump(mode="json") for c in compensations],
        }
    )


def load_approval(reader: Reader, approval_id: str, now: datetime) -> Approval:
    """The approval as it stands now: an open one past its expiry is expired. Raises NotFoundError."""
    record = reader.get(KIND, approval_id)
    if record is None:
        raise NotFoundError(f"there is no approval {approval_id!r}"[:200], hint="list them with GET /v1/approvals")
    return _aged(Approval.model_validate(record.doc["approval"]), now)


def list_approvals(
    reader: Reader, now: datetime, *, open_only: bool = False, change: str | None = None
) -> list[Approval]:
    """Newest first."""
    records = sorted(reader.find(KIND, change=change), key=lambda record: int(record.doc["entry"]), reverse=True)
    found = [_aged(Approval.model_validate(record.doc["approval"]), now) for record in records]
    return [a for a in found if not open_only or a.status is ApprovalStatus.OPEN]


def newest_for(reader: Reader, now: datetime, plan: str, step: str, change: str, call: ActionCall) -> Approval | None:
    """The newest approval for exactly this call of this step."""
    for approval in list_approvals(reader, now, change=change):
        if (approval.plan, approval.step_id, approval.call) == (plan, step, call):
            return approval
    return None


def consumed_by(reader: Reader, approval_id: str) -> str:
    """Key of the claim that used it, or empty."""
    record = reader.get(KIND, approval_id)
    return str(record.doc["consumed_by"]) if record else ""


def open_approval(tx: Transaction, approval: Approval) -> int:
    """Store the question with its expiry, before anybody waits for it. Returns the ledger's sequence number."""
    content = {
        "approval": approval.id,
        "event": "opened",
        "plan": approval.plan,
        "step": approval.step_id,
        "call": approval.call.model_dump(mode="json"),
        "digest": approval.digest,
        "quorum": approval.quorum,
        "expires_at": approval.expires_at.isoformat(),
    }
    entry = tx.append(Draft(kind="approval", actor=approval.requested_by, change=approval.change, content=content))
    _save(tx, approval, entry=entry.seq)
    return entry.seq


def expiry(now: datetime, ttl_s: float) -> datetime:
    """When an approval opened now ends."""
    return now + timedelta(seconds=ttl_s)


def check_answerable(approval: Approval, person: Identity) -> None:
    """Raises ConflictError when it was answered, AuthError when this person may not answer it."""
    _still_open(approval, "nothing of your answer was used; look at the incident for what happened since")
    if person.name == approval.requested_by:
        raise AuthError(
            "nobody approves their own request",
            expected="another person than the requester",
            found=person.name,
            code="approval.own_request",
        )
    if person.name in approval.answered_by:
        raise ConflictError(
            f"{person.name} has answered already",
            expected=f"{approval.quorum} distinct people",
            found=f"{len(approval.answered_by)} so far: {', '.join(approval.answered_by)}",
            code="approval.same_person",
        )


def answered(approval: Approval, answer: ApprovalAnswer, person: Identity, now: datetime) -> Approval:
    """The approval after one person's answer; `modify` comes with the judged call through `modified`. Pure."""
    by = [*approval.answered_by, person.name]
    update: dict[str, Any] = {"answered_by": by, "answered_at": now, "reason": answer.reason}
    if answer.decision is Decision.APPROVE:
        granted = ApprovalStatus.APPROVED if len(by) >= approval.quorum else ApprovalStatus.OPEN
        return approval.model_copy(update={**update, "status": granted})
    if answer.decision is Decision.MODIFY:
        granted = ApprovalStatus.MODIFIED if approval.quorum == 1 else ApprovalStatus.OPEN
        return approval.model_copy(update={**update, "answered_by": [person.name], "status": granted})
    return approval.model_copy(update={**update, "status": _CLOSING[answer.decision]})


def record_answer(tx: Transaction, before: Approval, after: Approval, answer: ApprovalAnswer, person: Identity) -> int:
    """Store an answer if nobody was faster. Raises ConflictError for the loser."""
    check_answerable(load_approval(tx, before.id, tx.now), person)
    _save(tx, after)
    content = {
        "approval": after.id,
        "event": answer.decision.value,
        "status": after.status.value,
        "plan": after.plan,
        "step": after.step_id,
        "call": after.call.model_dump(mode="json"),
        "digest": after.digest,
        "reason": answer.reason,
        "answered_by": after.answered_by,
    }
    return tx.append(Draft(kind="approval", actor=person.name, change=after.change, content=content)).seq


def consume(tx: Transaction, approval_id: str, key: str) -> None:
    """Use it up, in the transaction of the claim. The claim that used it may come back; nobody else."""
    approval = load_approval(tx, approval_id, tx.now)
    user = consumed_by(tx, approval_id)
    if approval.status is ApprovalStatus.CONSUMED and user == key:
        return
    if approval.status not in GRANTED:
        raise GovernanceError(
            f"approval {approval_id} cannot be used",
            expected="an approved one",
            found=_who_when(approval) if approval.answered_by else approval.status.value,
            code="approval.unusable",
        )
    _save(tx, approval.model_copy(update={"status": ApprovalStatus.CONSUMED}), key)
    content = {"approval": approval_id, "event": "consumed", "claim": key, "approvers": approval.answered_by}
    tx.append(Draft(kind="approval", actor=approval.requested_by, change=approval.change, content=content))


def close_open(tx: Transaction, approval: Approval, reason: str) -> None:
    """End an open or unused approval that no longer fits the world."""
    _save(tx, approval.model_copy(update={"status": ApprovalStatus.EXPIRED, "reason": reason}))
    content = {"approval": approval.id, "event": "expired", "reason": reason}
    tx.append(Draft(kind="approval", actor="guard", change=approval.change, content=content))


def withdraw(tx: Transaction, approval_id: str, ended: Withdrawal) -> Approval:
    """Take an unanswered question back: its symptoms ended without it. Raises ConflictError when somebody answered first."""
    approval = load_approval(tx, approval_id, tx.now)
    if approval.moot_since is not None:
        return approval
    _still_open(approval, "what was answered stands")
    reason = f"symptoms ended by {ended.since:%H:%M:%S} UTC ({ended.found}); approving would change a system that is healthy again"
    moot = approval.model_copy(update={"status": ApprovalStatus.EXPIRED, "reason": reason, "moot_since": ended.since})
    _save(tx, moot)
    content = {"approval": approval_id, "event": "withdrawn", "reason": reason, "since": ended.since.isoformat()}
    tx.append(Draft(kind="approval", actor=approval.requested_by, change=approval.change, content=content))
    return moot


def close_unused(tx: Transaction, change: str, why: str, *, plan: str = "", step: str = "") -> None:
    """Withdraw a change's questions and unused answers: all of them, or those of one plan, or of one step of it."""
    for approval in list_approvals(tx, tx.now, change=change):
        concerned = plan in ("", approval.plan) and step in ("", approval.step_id)
        if concerned and approval.status in {ApprovalStatus.OPEN, *GRANTED}:
            close_open(tx, approval, why)


def _aged(approval: Approval, now: datetime) -> Approval:
    waiting = approval.status is ApprovalStatus.OPEN or approval.status in GRANTED
    if waiting and now >= approval.expires_at:
        return approval.model_copy(update={"status": ApprovalStatus.EXPIRED})
    return approval


def _still_open(approval: Approval, hint: str) -> None:
    if approval.status is not ApprovalStatus.OPEN:
        raise ConflictError(
            f"approval {approval.id} is {approval.status.value} already",
            expected="an open approval",
            found=_who_when(approval),
            hint=hint,
            code="approval.answered",
        )


def _who_when(approval: Approval) -> str:
    if approval.status is ApprovalStatus.EXPIRED and approval.reason:
        return f"expired: {approval.reason}"
    if not approval.answered_by or approval.answered_at is None:
        return f"{approval.status.value} at {approval.expires_at.isoformat(timespec='seconds')}"
    when = approval.answered_at.isoformat(timespec="seconds")
    why = f": {approval.reason}" if approval.reason else ""
    return f"{approval.status.value} by {', '.join(approval.answered_by)} at {when}{why}"


def _save(tx: Transaction, approval: Approval, key: str = "", *, entry: int | None = None) -> None:
    """`entry` numbers the opening; later changes keep it, so that the newest question is always known."""
    known = tx.get(KIND, approval.id)
    number = entry if known is None else known.doc["entry"]
    tx.put(
        Record(
            kind=KIND,
            id=approval.id,
            change=approval.change,
            status=approval.status.value,
            at=approval.requested_at,
            doc={"approval": approval.model_dump(mode="json"), "consumed_by": key, "entry": number},
        )
    )
