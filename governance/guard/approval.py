"""Approval: where a person must be asked, exactly this was approved, of exactly this state of the world, and never used."""

from __future__ import annotations

from domain.action import Reason, Verdict
from domain.errors import GovernanceError, NotFoundError
from domain.guard import Approval, ApprovalStatus
from domain.value import new_id
from governance.approval import (
    GRANTED,
    close_open,
    consume,
    consumed_by,
    expiry,
    load_approval,
    newest_for,
    open_approval,
)
from governance.claims import Purpose
from governance.guard.attempt import Attempt, Parts, Refused, Wrapper
from governance.guard.dry_run import compensations, witness
from governance.ledger.port import Reader, Transaction


class ApprovalOfPeople(Wrapper):
    """Revalidates at execution; the approval is used up in the transaction of the claim."""

    name = "approval"

    async def carry_out(self, attempt: Attempt) -> None:
        if attempt.verdict is Verdict.ASK and not attempt.unwinding and not self._authorised_before(attempt):
            approval = self._find(attempt)
            problem = self._problem(attempt, approval)
            if approval is None or problem:
                raise self._ask(attempt, approval, problem)
            attempt.approval = approval
            attempt.on_claim.append(lambda tx: _use(tx, approval.id, attempt))
        await self.inner.carry_out(attempt)

    def _authorised_before(self, attempt: Attempt) -> bool:
        """A compensation that the approval of its step named beforehand needs no second question."""
        if attempt.purpose is not Purpose.COMPENSATE or attempt.compensates is None:
            return False
        ledger = self.parts.ledger
        if not attempt.compensates.approval:
            return False
        named = load_approval(ledger, attempt.compensates.approval, ledger.now).compensations
        wanted = (attempt.call.action, attempt.call.target)
        if all((call.action, call.target) != wanted for call in named):
            return False
        attempt.say(self.name, Verdict.ALLOW, f"pre-authorised by approval {attempt.compensates.approval}")
        return True

    def _find(self, attempt: Attempt) -> Approval | None:
        ledger = self.parts.ledger
        plan, step, change = attempt.pinned.plan.id, attempt.step.id, attempt.pinned.change
        if not attempt.approval_id:
            return newest_for(ledger, ledger.now, plan, step, change, attempt.call)
        try:
            return load_approval(ledger, attempt.approval_id, ledger.now)
        except NotFoundError as error:
            raise Refused(Reason(wrapper=self.name, verdict=Verdict.DENY, text=error.message)) from error

    def _problem(self, attempt: Attempt, approval: Approval | None) -> str:
        """Why it cannot be used, in words; raises Refused where asking again would be wrong."""
        if approval is None:
            return "a person must approve this first"
        bound_to = (approval.plan, approval.step_id, approval.call)
        if bound_to != (attempt.pinned.plan.id, attempt.step.id, attempt.call):
            raise self._no(f"approval {approval.id} belongs to step {approval.step_id} of plan {approval.plan}")
        used_by = consumed_by(self.parts.ledger, approval.id)
        if approval.status is ApprovalStatus.CONSUMED and used_by != attempt.key:
            raise self._no(f"approval {approval.id} was used already")
        if approval.status in {ApprovalStatus.REJECTED, ApprovalStatus.ESCALATED, ApprovalStatus.TERMINATED}:
            who = ", ".join(approval.answered_by)
            raise self._no(f"{approval.status.value} by {who}: {approval.reason or 'no reason given'}")
        if approval.status is ApprovalStatus.EXPIRED:
            return f"approval {approval.id} expired: {approval.reason or 'nobody answered or used it in time'}"
        if approval.digest != attempt.digest:
            return f"approval {approval.id} is stale: {_difference(approval, attempt)}"
        if approval.status is ApprovalStatus.OPEN:
            return f"waiting for {approval.quorum - len(approval.answered_by)} more: approval {approval.id}"
        return ""

    def _no(self, text: str) -> Refused:
        return Refused(Reason(wrapper=self.name, verdict=Verdict.DENY, text=text))

    def _ask(self, attempt: Attempt, approval: Approval | None, problem: str) -> Refused:
        waiting = approval is not None and approval.status is ApprovalStatus.OPEN and approval.digest == attempt.digest
        if not waiting:
            with self.parts.ledger.transaction() as tx:
                if approval is not None and approval.status in {ApprovalStatus.OPEN, *GRANTED}:
                    close_open(tx, approval, problem)
                approval = ask_people(tx, attempt, self.parts)
        assert approval is not None
        return Refused(Reason(wrapper=self.name, verdict=Verdict.ASK, text=problem), approval_id=approval.id)


def ask_people(tx: Transaction, attempt: Attempt, parts: Parts) -> Approval:
    """Open the approval that this attempt needs, expiry included; an open one for the same digest is kept."""
    plan = attempt.pinned.plan.id
    known = newest_for(tx, tx.now, plan, attempt.step.id, attempt.pinned.change, attempt.call)
    if known is not None and known.digest == attempt.digest and _usable(tx, known):
        return known
    if known is not None and known.status is ApprovalStatus.OPEN:
        close_open(tx, known, "the state it was bound to changed")
    undo = attempt.step.undo
    approval = Approval(
        id=new_id("apr"),
        change=attempt.pinned.change,
        plan=plan,
        step_id=attempt.step.id,
        call=attempt.call,
        digest=attempt.digest,
        summary=attempt.dry_run.summary if attempt.dry_run else "",
        blast_radius=attempt.spec.blast_radius if attempt.spec else "",
        undo=f"{undo.action} on {undo.target}" if undo else f"cannot be undone: {_no_undo(attempt)}",
        reasons=list(attempt.reasons),
        witness=witness(attempt),
        compensations=compensations(attempt),
        quorum=attempt.quorum,
        requested_by=attempt.actor.agent,
        requested_at=tx.now,
        expires_at=expiry(tx.now, parts.approval_ttl_s),
    )
    attempt.entries.append(open_approval(tx, approval))
    return approval


def _usable(reader: Reader, approval: Approval) -> bool:
    return approval.status is ApprovalStatus.OPEN or approval.status in GRANTED


def _no_undo(attempt: Attempt) -> str:
    stated = attempt.step.cannot_undo or (attempt.spec.no_undo_reason if attempt.spec else "")
    return stated or "no undo is known"


def _use(tx: Transaction, approval_id: str, attempt: Attempt) -> None:
    try:
        consume(tx, approval_id, attempt.key)
    except GovernanceError as error:
        text = "; ".join(error.lines())
        raise Refused(Reason(wrapper=ApprovalOfPeople.name, verdict=Verdict.DENY, text=text)) from error


def _difference(approval: Approval, attempt: Attempt) -> str:
    now = witness(attempt)
    names = sorted({*approval.witness, *now})
    changed = [
        f"{n} was {approval.witness.get(n)!r}, now {now.get(n)!r}"
        for n in names
        if approval.witness.get(n) != now.get(n)
    ]
    return "; ".join(changed)[:300] or "the policy or the pre-authorised undo changed"
