"""Unwinding as a saga: compensations in reverse order, each verified, the progress durable."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from domain.action import Outcome
from domain.guard import Receipt
from domain.value import new_id
from governance.claims import Claim, compensable
from governance.guard.face import UnwindItem, UnwindReport
from governance.ledger.port import Draft, Ledger, Reader, Record

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
        doc = {"by": by, "change": change}
        tx.put(Record(kind=KIND, id=saga, change=change or "", status=RUNNING, at=tx.now, doc=doc))
    return await walk(ledger, saga, by, change, take_back)


async def walk(ledger: Ledger, saga: str, by: str, change: str | None, take_back: TakeBack) -> UnwindReport:
    """Carry a saga on from wherever it stands: what is compensated already is no longer on the list."""
    receipts: list[Receipt] = []
    while claims := compensable(ledger, change):
        receipt = await take_back(claims[0])
        receipts.append(receipt)
        if receipt.outcome is not Outcome.SUCCEEDED:
            break
    remaining = unwind_items(ledger, change)
    with ledger.transaction() as tx:
        status = "stuck" if remaining else "done"
        content = {"saga": saga, "status": status, "remaining": [item.model_dump(mode="json") for item in remaining]}
        tx.append(Draft(kind="unwind", actor=by, change=change or "", content=content))
        doc = {"by": by, "change": change}
        tx.put(Record(kind=KIND, id=saga, change=change or "", status=status, at=tx.now, doc=doc))
    return UnwindReport(saga=saga, receipts=receipts, complete=not remaining, remaining=remaining)


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
