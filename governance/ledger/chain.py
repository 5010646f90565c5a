"""The hash chain: how an entry is linked, and how a whole chain is checked. Pure.

`hash = SHA-256(prev ‖ canonical(seq, at, kind, actor, change, content))`, canonical as in RFC 8785.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from domain.errors import LedgerError
from domain.guard import LedgerEntry, LedgerVerification
from domain.redaction import redact_json
from domain.value import canonical, new_id
from governance.ledger.port import Draft

ZERO = "0" * 64
"""What the genesis row points back to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An entry exactly as stored: times and content are text, nothing is interpreted yet."""

    seq: int
    at: str
    kind: str
    actor: str
    change: str
    content: str
    prev: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorPoint:
    """What was known outside the ledger: entry `seq` had this hash."""

    seq: int
    hash: str


def genesis() -> Draft:
    """The first entry: an id nobody can guess, so that no two ledgers begin alike."""
    return Draft(kind="genesis", actor="ledger", content={"ledger": new_id("ledger"), "format": 1})


def link(draft: Draft, *, seq: int, prev: str, at: datetime) -> Row:
    """The row that continues a chain. Raises LedgerError when the content is not plain canonical JSON."""
    stamp = at.isoformat()
    try:
        content = canonical(redact_json(draft.content)).decode()
    except (ValueError, TypeError, RecursionError) as error:
        raise LedgerError(
            "an entry could not be written",
            expected="plain JSON with numbers below 2^53",
            found=str(error)[:200],
            code="ledger.content",
        ) from error
    unhashed = Row(
        seq=seq, at=stamp, kind=draft.kind, actor=draft.actor, change=draft.change, content=content, prev=prev, hash=""
    )
    return replace(unhashed, hash=_hash(unhashed))


def row_hash(row: Row) -> str:
    """The hash this row must have. Raises ValueError when its content is not canonical JSON."""
    if canonical(json.loads(row.content)).decode() != row.content:
        raise ValueError("the content is not in canonical form")
    return _hash(row)


def _hash(row: Row) -> str:
    """Content that is canonical already is put into its place (keys are sorted), not written a second time."""
    before = canonical({"actor": row.actor, "at": row.at, "change": row.change})
    after = canonical({"kind": row.kind, "seq": row.seq})
    body = before[:-1] + b',"content":' + row.content.encode() + b"," + after[1:]
    return hashlib.sha256(row.prev.encode() + body).hexdigest()


def shown(row: Row) -> LedgerEntry:
    """The row as others see it."""
    return LedgerEntry(
        seq=row.seq,
        at=datetime.fromisoformat(row.at),
        kind=row.kind,
        actor=row.actor,
        change=row.change,
        content=json.loads(row.content),
        prev=row.prev,
        hash=row.hash,
    )


def verify_chain(rows: Iterable[Row], anchors: Iterable[AnchorPoint]) -> LedgerVerification:
    """Check link after link; names the first sequence number that does not hold. One row in memory at a time."""
    points = iter(anchors)
    point = next(points, None)
    if point is None:
        return _broken(0, 0, ZERO, "there is no anchor outside the ledger to compare it with")
    seq, head = -1, ZERO
    for row in rows:
        problem = _problem(row, seq + 1, head)
        if problem:
            return _broken(seq + 1, seq + 1, head, problem)
        seq, head = seq + 1, row.hash
        while point is not None and point.seq <= seq:
            if point.seq < seq or point.hash != head:
                return _broken(point.seq, seq + 1, head, "the anchor outside the ledger knows another entry here")
            point = next(points, None)
    if seq < 0:
        return _broken(0, 0, ZERO, "the ledger is empty: not even the genesis row is there")
    if point is not None:
        return _broken(seq + 1, seq + 1, head, f"cut off: the anchor outside the ledger knows entry {point.seq}")
    return LedgerVerification(entries=seq + 1, verified=True, head=head)


def _problem(row: Row, seq: int, prev: str) -> str:
    if row.seq != seq:
        return f"expected entry {seq}, found {row.seq}: entries are missing or out of order"
    if row.prev != prev:
        return "it does not follow from the entry before it"
    try:
        expected = row_hash(row)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        return f"its content cannot be read: {str(error)[:120]}"
    return "" if expected == row.hash else "its content is not what its hash says"


def _broken(at: int, entries: int, head: str, problem: str) -> LedgerVerification:
    return LedgerVerification(entries=entries, verified=False, broken_at=at, problem=problem, head=head)


def export_lines(entries: Iterable[LedgerEntry]) -> Iterator[str]:
    """Entries as JSON Lines: one canonical JSON object per line, without the line break."""
    for entry in entries:
        yield canonical(entry).decode()
