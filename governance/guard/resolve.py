"""What became of a claim: read-back instead of a second dispatch."""

from __future__ import annotations

from domain.action import ActionCall, ActionResult, Outcome, Verdict
from domain.errors import FirebreakError
from domain.guard import Receipt
from governance.claims import Claim, ClaimState, Purpose, load_claim, save_claim
from governance.guard.attempt import Attempt, Parts
from governance.ledger.port import Draft, Transaction

STATES: dict[Outcome, ClaimState] = {
    Outcome.SUCCEEDED: ClaimState.CONFIRMED,
    Outcome.FAILED: ClaimState.FAILED,
    Outcome.SKIPPED: ClaimState.CONFIRMED,
    Outcome.UNKNOWN: ClaimState.UNKNOWN,
}
"""How an outcome settles a claim."""


async def answer_from_claim(attempt: Attempt, parts: Parts) -> bool:
    """Answer an attempt from its claim, if something was dispatched under its key. True when it is answered."""
    claim = load_claim(parts.ledger, attempt.key)
    if claim is None or not claim.state.dispatched:
        return False
    if not claim.state.settled:
        claim = await resolve(claim, parts)
    assert claim.receipt is not None, "a resolved claim has its receipt"
    attempt.receipt = claim.receipt
    return True


async def resolve(claim: Claim, parts: Parts) -> Claim:
    """Look whether a dispatched effect is there, and settle the claim by what was found."""
    started = parts.clock.monotonic()
    result = await look_back(claim.call, None, parts)
    result = result.model_copy(update={"seconds": parts.clock.monotonic() - started})
    with parts.ledger.transaction() as tx:
        content = {
            "claim": claim.key,
            "plan": claim.plan,
            "step": claim.step,
            "call": claim.call.model_dump(mode="json"),
            "outcome": result.outcome.value,
            "summary": result.summary,
            "after": result.after,
            "why": "the process ended, or the answer was lost, between dispatch and outcome",
        }
        entry = tx.append(Draft(kind="read_back", actor="guard", change=claim.change, content=content))
        settled = settle(claim, result, _receipt(claim, result, entry.seq))
        save_claim(tx, settled)
        if settled.state is ClaimState.CONFIRMED:
            mark_compensated(tx, settled)
    return settled


async def look_back(call: ActionCall, result: ActionResult | None, parts: Parts) -> ActionResult:
    """Read back until something definite is found or the tries are used up. Never raises a tool's error."""
    found = ActionResult(outcome=Outcome.UNKNOWN, summary="not looked for yet")
    for attempt in range(parts.read_back_tries):
        if attempt:
            await parts.clock.sleep(parts.read_back_pause_s)
        try:
            found = await parts.executor.read_back(call, result)
        except FirebreakError as error:
            found = ActionResult(outcome=Outcome.UNKNOWN, summary=f"the read-back failed: {error.message}")
        if found.outcome is not Outcome.UNKNOWN:
            break
    return found


def settle(claim: Claim, result: ActionResult, receipt: Receipt) -> Claim:
    """The claim after its outcome is known, or known to be unknown."""
    state = STATES[result.outcome]
    return claim.model_copy(update={"state": state, "receipt": receipt, "undo": receipt.undo})


def mark_compensated(tx: Transaction, claim: Claim) -> None:
    """A confirmed compensation closes the claim that it takes back."""
    original = load_claim(tx, claim.compensates) if claim.purpose is Purpose.COMPENSATE else None
    if original is not None:
        save_claim(tx, original.model_copy(update={"compensated": True}))


def _receipt(claim: Claim, result: ActionResult, entry: int) -> Receipt:
    before = result.before or claim.pre_state
    half_done = result.model_copy(update={"before": before}).half_done(claim.witness)
    return Receipt(
        step_id=claim.step,
        verdict=Verdict.ALLOW,
        outcome=result.outcome,
        summary=result.summary,
        ledger=[claim.entry, entry],
        undo=(result.undo or claim.undo) if result.outcome is not Outcome.FAILED or half_done else None,
        before=before,
        after=result.after,
        seconds=result.seconds,
    )
