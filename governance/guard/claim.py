"""Claim: the effect is taken on once, under one key; what has to be true at that moment is checked in its transaction."""

from __future__ import annotations

from governance.claims import Claim, ClaimState, load_claim, save_claim
from governance.guard.attempt import Attempt, Wrapper
from governance.guard.dry_run import witness
from governance.guard.resolve import answer_from_claim
from governance.ledger.port import Draft, Transaction


class ClaimOnce(Wrapper):
    """Same key again: the earlier receipt, or a read-back. A claim that was never dispatched may be taken up again."""

    name = "claim"

    async def carry_out(self, attempt: Attempt) -> None:
        if await answer_from_claim(attempt, self.parts):
            return
        with self.parts.ledger.transaction() as tx:
            for step in attempt.on_claim:
                step(tx)
            attempt.claim = _claim(attempt, tx)
        await self.inner.carry_out(attempt)


def _claim(attempt: Attempt, tx: Transaction) -> Claim:
    assert attempt.service is not None
    approval = attempt.approval
    content = {
        **attempt.facts(),
        "fencing_token": attempt.fence,
        "approval": approval.id if approval else "",
        "approvers": approval.answered_by if approval else [],
        "digest": attempt.digest,
        "reasons": [reason.model_dump(mode="json") for reason in attempt.reasons],
    }
    entry = tx.append(Draft(kind="attempt", actor=attempt.author, change=attempt.actor.change, content=content))
    earlier = load_claim(tx, attempt.key)
    claim = Claim(
        key=attempt.key,
        purpose=attempt.purpose,
        state=ClaimState.CLAIMED,
        change=attempt.actor.change,
        plan=attempt.pinned.plan.id,
        step=attempt.step.id,
        agent=attempt.actor.agent,
        tier=attempt.tier,
        call=attempt.call,
        kind=attempt.service.kind,
        policy=attempt.pinned.policy,
        fence=attempt.fence,
        approval=approval.id if approval else (earlier.approval if earlier else ""),
        claimed_at=tx.now,
        entry=entry.seq,
        pre_state=witness(attempt),
        undo=attempt.step.undo,
        compensates=attempt.compensates.key if attempt.compensates else "",
        witness=attempt.spec.witness if attempt.spec else [],
    )
    save_claim(tx, claim)
    attempt.entries.append(entry.seq)
    return claim
