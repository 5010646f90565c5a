"""Read-back: look whether the effect is there. A lost answer is looked for, never sent again."""

from __future__ import annotations

from typing import Any

from domain.action import ActionCall, ActionResult, Outcome
from governance.claims import Claim, Purpose
from governance.guard.attempt import Attempt, Wrapper
from governance.guard.resolve import look_back


class ReadBack(Wrapper):
    """Confirms what was reported, resolves what is unknown, and compares an undo with the captured pre-state."""

    name = "read_back"

    async def carry_out(self, attempt: Attempt) -> None:
        await self.inner.carry_out(attempt)
        result = attempt.result
        assert result is not None, "an execution always leaves a result"
        if result.outcome in {Outcome.SUCCEEDED, Outcome.UNKNOWN}:
            lost = result.outcome is Outcome.UNKNOWN
            found = await look_back(attempt.call, None if lost else result, self.parts)
            attempt.result = _merged(result, found, planned=attempt.step.undo if lost else None)
        if attempt.purpose is Purpose.COMPENSATE and attempt.result is not None:
            attempt.result = _compared(attempt, attempt.result)


def _merged(reported: ActionResult, found: ActionResult, planned: ActionCall | None) -> ActionResult:
    """What was reported, corrected by what was found. The planned undo only stands in for an answer that was lost."""
    agrees = found.outcome is reported.outcome
    summary = reported.summary if agrees else f"{reported.summary}; looked again: {found.summary}"
    return reported.model_copy(
        update={
            "outcome": found.outcome,
            "summary": summary,
            "before": reported.before or found.before,
            "after": found.after or reported.after,
            "undo": reported.undo or found.undo or planned,
        }
    )


def _compared(attempt: Attempt, result: ActionResult) -> ActionResult:
    original = attempt.compensates
    if original is None or result.outcome is not Outcome.SUCCEEDED:
        return result
    wrong = differences(changed_by(original), result.after)
    if not wrong:
        return result
    summary = f"{result.summary}; the state before did not come back: {'; '.join(wrong)}"
    return result.model_copy(update={"outcome": Outcome.FAILED, "summary": summary})


def changed_by(claim: Claim) -> dict[str, Any]:
    """The declared fields that an applied step changed, with their values before it."""
    receipt = claim.receipt
    before = {**claim.pre_state, **(receipt.before if receipt else {})}
    after = receipt.after if receipt else {}
    declared = [field for field in claim.witness if field in before and field in after]
    return {field: before[field] for field in declared if before[field] != after[field]}


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Fields of both states that differ, in words."""
    return [
        f"{field} was {value!r}, now {after[field]!r}"
        for field, value in before.items()
        if field in after and value != after[field]
    ]
