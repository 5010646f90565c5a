"""Dry run: would it change something, would it not, or can nobody tell. Never changes anything."""

from __future__ import annotations

from typing import Any

from domain.action import ActionCall, DryRun, Outcome, Verdict
from domain.errors import FirebreakError
from domain.guard import Receipt
from governance.approval import approval_digest, close_unused
from governance.claims import Purpose, save_claim
from governance.guard.attempt import Attempt, Wrapper
from governance.ledger.port import Draft
from governance.violations import Violation


class DryRunFirst(Wrapper):
    """Captures the witness that approvals are bound to. Without an answer nothing is carried out (RUN_WITHOUT_CHECK)."""

    name = "dry_run"

    async def look(self, attempt: Attempt) -> None:
        if attempt.blind:
            return
        try:
            found = await self.parts.executor.dry_run(attempt.call)
        except FirebreakError as error:
            text = f"RUN_WITHOUT_CHECK: the dry run failed: {'; '.join(error.lines())}"[:400]
            attempt.say(self.name, Verdict.DENY, text)
            attempt.suspect(Violation.RUN_WITHOUT_CHECK, text)
            return
        attempt.dry_run = found
        verdict = Verdict.ASK if found.answer is DryRun.CANNOT_TELL and not attempt.unwinding else Verdict.ALLOW
        attempt.say(self.name, verdict, f"{found.answer.value.replace('_', ' ')}: {found.summary}")
        attempt.digest = approval_digest(attempt.call, witness(attempt), self.parts.policy.pin, compensations(attempt))

    async def carry_out(self, attempt: Attempt) -> None:
        await self.look(attempt)
        answer = attempt.dry_run.answer if attempt.dry_run else None
        if answer is DryRun.NO_CHANGE and not attempt.denials():
            self._skip(attempt)
            return
        await self.inner.carry_out(attempt)

    def _skip(self, attempt: Attempt) -> None:
        assert attempt.dry_run is not None
        with self.parts.ledger.transaction() as tx:
            content = {**attempt.facts(), "summary": attempt.dry_run.summary}
            entry = tx.append(Draft(kind="skipped", actor=attempt.author, change=attempt.actor.change, content=content))
            if attempt.purpose is Purpose.APPLY:
                close_unused(
                    tx,
                    attempt.pinned.change,
                    "nothing was left to change",
                    plan=attempt.pinned.plan.id,
                    step=attempt.step.id,
                )
            if attempt.compensates is not None:
                save_claim(tx, attempt.compensates.model_copy(update={"compensated": True}))
        attempt.receipt = Receipt(
            step_id=attempt.step.id,
            verdict=Verdict.ALLOW,
            outcome=Outcome.SKIPPED,
            summary=f"nothing to change: {attempt.dry_run.summary}",
            reasons=list(attempt.reasons),
            ledger=[entry.seq],
            before=attempt.dry_run.witness,
            after=attempt.dry_run.witness,
        )


def witness(attempt: Attempt) -> dict[str, Any]:
    """The declared fields of the target's state, as the dry run saw them."""
    if attempt.spec is None or attempt.dry_run is None:
        return {}
    return {field: attempt.dry_run.witness.get(field) for field in attempt.spec.witness}


def compensations(attempt: Attempt) -> list[ActionCall]:
    """The undo calls that an approval of this step pre-authorises."""
    return [attempt.step.undo] if attempt.step.undo else []
