"""The ledger as a port: entries and the state they record, written together or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from domain.guard import EntriesFound, EntrySearch, LedgerEntry, LedgerVerification


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An entry before the chain gave it a number, a time and a hash."""

    kind: str
    actor: str
    change: str = ""
    content: dict[str, Any] = field(default_factory=dict[str, Any])
    """Plain JSON. Secrets are redacted before it is written; digests of secrets are fine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One piece of state: a claim, an approval, a plan, a seat, the freeze."""

    kind: str
    id: str
    change: str = ""
    status: str = ""
    at: datetime
    """When it last mattered; windows (`since`) are read on this."""
    doc: dict[str, Any]
    """Plain JSON."""


class Reader(Protocol):
    """Reading state."""

    @property
    def now(self) -> datetime:
        """The ledger's time: never before the newest entry, even when the machine's clock was set back."""
        ...

    def get(self, kind: str, id: str) -> Record | None:
        """One record or None."""
        ...

    def find(
        self, kind: str, *, change: str | None = None, status: str | None = None, since: datetime | None = None
    ) -> list[Record]:
        """All records of a kind that match, newest first."""
        ...


class Transaction(Reader, Protocol):
    """Everything done here is committed together, or not at all when the block raises."""

    def append(self, draft: Draft) -> LedgerEntry:
        """Add one entry to the end of the chain."""
        ...

    def put(self, record: Record) -> None:
        """Create or replace one record."""
        ...

    def next_number(self, counter: str) -> int:
        """A number that this counter never gave before; they only grow (fencing tokens)."""
        ...


class Ledger(Reader, Protocol):
    """Append-only evidence and the state beside it."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Serialised writing. Raises LedgerError when it cannot be written or another process took over."""
        ...

    def entries(self, *, after: int = -1, limit: int = 200, change: str | None = None) -> list[LedgerEntry]:
        """Entries with a sequence number above `after`, oldest first, at most `limit`."""
        ...

    def search(self, wanted: EntrySearch) -> EntriesFound:
        """Entries that match, newest first; looks through a limited number of them."""
        ...

    def stream(self) -> Iterator[LedgerEntry]:
        """Every entry, oldest first, in constant memory."""
        ...

    def head(self) -> LedgerEntry:
        """The newest entry; the genesis row in a fresh ledger."""
        ...

    def verify(self) -> LedgerVerification:
        """Walk the chain and compare it with the anchors, in constant memory."""
        ...

    def close(self) -> None:
        """Checkpoint and let go. Idempotent."""
        ...
