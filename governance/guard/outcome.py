"""Outcome: what came of it goes into the ledger, and settles the claim in the same transaction."""

from __future__ import annotations

from domain.action import ActionResult
from domain.redaction import redact_json
from governance.claims import ClaimState, Purpose, save_claim
from governance.guard.attempt import Attempt, Wrapper, receipt_of
from governance.guard.resolve import mark_compensated, settle
from governance.ledger.port import Draft


class OutcomeAfterEffect(Wrapper):
    """Writes the effect and its read-back on the way out."""

    name = "outcome"

    async def carry_out(self, attempt: Attempt) -> None:
        await self.inner.carry_out(attempt)
        assert attempt.result is not None, "an execution always leaves a result"
        attempt.result = _clean(attempt.result)
        kind = "compensation" if attempt.purpose is Purpose.COMPENSATE else "effect"
        with self.parts.ledger.transaction() as tx:
            content = {**attempt.facts(), **attempt.result.model_dump(mode="json", exclude={"after"})}
            effect = tx.append(Draft(kind=kind, actor=attempt.author, change=attempt.actor.change, content=content))
            seen = {
                "claim": attempt.key,
                "effect": effect.seq,
                "outcome": attempt.result.outcome.value,
                "after": attempt.result.after,
            }
            back = tx.append(Draft(kind="read_back", actor="guard", change=attempt.actor.change, content=seen))
            attempt.entries += [effect.seq, back.seq]
            attempt.receipt = receipt_of(attempt)
            if attempt.claim is not None:
                attempt.claim = settle(attempt.claim, attempt.result, attempt.receipt)
                save_claim(tx, attempt.claim)
                if attempt.claim.state is ClaimState.CONFIRMED:
                    mark_compensated(tx, attempt.claim)


def _clean(result: ActionResult) -> ActionResult:
    """No secret leaves the door, whatever an executor puts into its report."""
    cleaned = {name: redact_json(getattr(result, name)) for name in ("summary", "before", "after")}
    return result.model_copy(update=cleaned)
