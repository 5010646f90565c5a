"""The ledger in memory: same rules, gone with the process. For tests and for trying things out."""

from __future__ import annotations

import copy
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from domain.clock import Clock, SystemClock
from domain.errors import LedgerError
from domain.guard import EntriesFound, EntrySearch, LedgerEntry, LedgerVerification
from governance.ledger import search
from governance.ledger.anchor import MemoryAnchor
from governance.ledger.chain import ZERO, AnchorPoint, Row, genesis, link, shown, verify_chain
from governance.ledger.port import Draft, Record, Transaction


class MemoryLedger:
    """Rows in a list, records in a dictionary, one transaction at a time."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self.rows: list[Row] = []
        self.anchor = MemoryAnchor()
        self._records: dict[tuple[str, str], Record] = {}
        self._counters: dict[str, int] = {}
        with self.transaction() as tx:
            tx.append(genesis())

    @contextmanager
    def transaction(self) -> Generator[Transaction, None, None]:
        if not self._lock.acquire(timeout=30):
            raise LedgerError("the ledger is busy", expected="one transaction at a time", code="ledger.busy")
        try:
            work = _MemoryTransaction(
                list(self.rows), dict(self._records), dict(self._counters), max(self._clock.now(), self.now)
            )
            yield work
            grown = len(work.rows) > len(self.rows)
            self.rows, self._records, self._counters = work.rows, work.records, work.counters
            if grown:
                self.anchor.write(AnchorPoint(seq=self.rows[-1].seq, hash=self.rows[-1].hash))
        finally:
            self._lock.release()

    @property
    def now(self) -> datetime:
        newest = datetime.fromisoformat(self.rows[-1].at) if self.rows else self._clock.now()
        return max(self._clock.now(), newest)

    def get(self, kind: str, id: str) -> Record | None:
        return _copied(self._records.get((kind, id)))

    def find(
        self, kind: str, *, change: str | None = None, status: str | None = None, since: datetime | None = None
    ) -> list[Record]:
        return _matching(self._records, kind, change, status, since)

    def entries(self, *, after: int = -1, limit: int = 200, change: str | None = None) -> list[LedgerEntry]:
        rows = [r for r in self.rows[max(after + 1, 0) :] if change is None or r.change == change]
        return [shown(row) for row in rows[:limit]]

    def search(self, wanted: EntrySearch) -> EntriesFound:
        before = min(wanted.before, len(self.rows))
        rows = [r for r in self.rows[search.lowest(wanted, before) : before] if search.matches(r, wanted)]
        return search.found([shown(row) for row in reversed(rows)][: wanted.limit], wanted, before)

    def stream(self) -> Iterator[LedgerEntry]:
        return (shown(row) for row in list(self.rows))

    def head(self) -> LedgerEntry:
        return shown(self.rows[-1])

    def verify(self) -> LedgerVerification:
        return verify_chain(list(self.rows), self.anchor.points())

    def close(self) -> None:
        """Nothing to let go of."""


class _MemoryTransaction:
    """Works on copies; the ledger takes them over when the block ends well."""

    def __init__(
        self, rows: list[Row], records: dict[tuple[str, str], Record], counters: dict[str, int], now: datetime
    ) -> None:
        self.rows = rows
        self.records = records
        self.counters = counters
        self._now = now

    @property
    def now(self) -> datetime:
        return self._now

    def append(self, draft: Draft) -> LedgerEntry:
        prev = self.rows[-1].hash if self.rows else ZERO
        row = link(draft, seq=len(self.rows), prev=prev, at=self._now)
        self.rows.append(row)
        return shown(row)

    def put(self, record: Record) -> None:
        self.records[(record.kind, record.id)] = replace(record, doc=copy.deepcopy(record.doc))

    def get(self, kind: str, id: str) -> Record | None:
        return _copied(self.records.get((kind, id)))

    def find(
        self, kind: str, *, change: str | None = None, status: str | None = None, since: datetime | None = None
    ) -> list[Record]:
        return _matching(self.records, kind, change, status, since)

    def next_number(self, counter: str) -> int:
        self.counters[counter] = self.counters.get(counter, 0) + 1
        return self.counters[counter]


def _copied(record: Record | None) -> Record | None:
    return None if record is None else replace(record, doc=copy.deepcopy(record.doc))


def _matching(
    records: dict[tuple[str, str], Record],
    kind: str,
    change: str | None,
    status: str | None,
    since: datetime | None,
) -> list[Record]:
    found = [
        replace(record, doc=copy.deepcopy(record.doc))
        for record in records.values()
        if record.kind == kind
        and (change is None or record.change == change)
        and (status is None or record.status == status)
        and (since is None or record.at >= since)
    ]
    return sorted(found, key=lambda record: record.at, reverse=True)
