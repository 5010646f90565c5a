"""Unwinding as a saga: compensations in reverse order, each verified, the progress durable."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from domain.action import Outcome, Verdict
from domain.guard import Receipt
from domain.value import new_id
from domain.zone import INJECT
from governance.claims import Claim, compensable, save_claim
from governance.guard.face import UnwindItem, UnwindReport
from governance.guard.freeze import freeze_mark
from governance.ledger.port import Draft, Ledger, Reader, Record, Transaction

KIND = "saga"
RUNNING = "running"

TakeBack = Callable[[Claim], Awaitable[Receipt]]
"""Runs one compensation through the door."""


def unwind_items(reader: Reader, change: str | None = None) -> list[UnwindItem]:
    """What would be taken back, last applied first."""
    return [_item(claim) for claim in compensable(reader, change)]


async def unwind(ledger: Ledger, by: str, change: str | None, take_back: TakeBack) -> UnwindReport:
    """Start a saga and walk it. It stops at the first step that did not come back."""
    saga = new_id("saga")
    with ledger.transaction() as tx:
        items = [item.model_dump(mode="json") for item in unwind_items(tx, change)]
        tx.append(Draft(kind="unwind", actor=by, change=change or "", content={"saga": saga, "items": items}))
        doc = {"by": by, "change": change, "freeze": freeze_mark(tx)}
        tx.put(Record(kind=KIND, id=saga, change=change or "", status=RUNNING, at=tx.now, doc=doc))
    return await walk(ledger, saga, by, change, take_back)


async def walk(ledger: Ledger, saga: str, by: str, change: str | None, take_back: TakeBack) -> UnwindReport:
    """Carry a saga on from wherever it stands: what is compensated already is no longer on the list."""
    receipts: list[Receipt] = []
    while claims := compensable(ledger, change):
        receipt = await take_back(claims[0])
        receipts.append(receipt)
        if receipt.verdict is not Verdict.ALLOW or receipt.outcome not in {Outcome.SUCCEEDED, Outcome.SKIPPED}:
            break
    remaining = unwind_items(ledger, change)
    with ledger.transaction() as tx:
        status = "stuck" if remaining else "done"
        content = {"saga": saga, "status": status, "remaining": [item.model_dump(mode="json") for item in remaining]}
        tx.append(Draft(kind="unwind", actor=by, change=change or "", content=content))
        doc = {"by": by, "change": change}
        tx.put(Record(kind=KIND, id=saga, change=change or "", status=status, at=tx.now, doc=doc))
    return UnwindReport(saga=saga, receipts=receipts, complete=not remaining, remaining=remaining)


def close_injections(tx: Transaction, change: str) -> None:
    """A fault that was taken back, by its lease or its examiner, is nothing an unwind still has to do."""
    for claim in compensable(tx, change):
        if claim.call.action == INJECT:
            save_claim(tx, claim.model_copy(update={"compensated": True}))


def _item(claim: Claim) -> UnwindItem:
    assert claim.undo is not None, "compensable claims have an undo"
    return UnwindItem(
        plan=claim.plan,
        step=claim.step,
        change=claim.change,
        agent=claim.agent,
        applied=claim.call,
        undo=claim.undo,
        summary=claim.receipt.summary if claim.receipt else "",
        entry=claim.entry,
    )
