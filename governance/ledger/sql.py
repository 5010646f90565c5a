"""The ledger in an SQL database: what SQLite and PostgreSQL have in common, which is all but the connection."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

from domain.clock import Clock, SystemClock
from domain.errors import LedgerError
from domain.guard import EntriesFound, EntrySearch, LedgerEntry, LedgerVerification
from governance.ledger import search
from governance.ledger.anchor import Anchor
from governance.ledger.chain import ZERO, AnchorPoint, Row, genesis, link, shown, verify_chain
from governance.ledger.port import Draft, Record, Transaction

COLUMNS = "seq, at, kind, actor, change, content, prev, hash"
ALL_ROWS = f"SELECT {COLUMNS} FROM ledger ORDER BY seq"  # noqa: S608 - constants only
_HEAD = f"SELECT {COLUMNS} FROM ledger ORDER BY seq DESC LIMIT 1"  # noqa: S608
_INSERT = f"INSERT INTO ledger ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
_PUT = """INSERT INTO record (kind, id, change, status, at, doc) VALUES (?, ?, ?, ?, ?, ?)
  ON CONFLICT (kind, id) DO UPDATE SET change = excluded.change, status = excluded.status, at = excluded.at,
  doc = excluded.doc"""
_RECORDS = "SELECT kind, id, change, status, at, doc FROM record WHERE"
_NEXT = """INSERT INTO counter (name, value) VALUES (?, 1)
  ON CONFLICT (name) DO UPDATE SET value = counter.value + 1 RETURNING value"""


class Readable(Protocol):
    """A database that is looked at. Statements have `?` where values go; every error of the technology is a LedgerError."""

    def run(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Execute one statement and return its rows."""
        ...

    def rows(self) -> Iterator[Row]:
        """All entries of one moment, over a connection of their own, in constant memory."""
        ...


class Database(Readable, Protocol):
    """The connection that writes."""

    def begin(self) -> None:
        """Start the only transaction that may write; waits for others."""
        ...

    def commit(self) -> None:
        """Make it durable. When this raises, the outcome may be unknown."""
        ...

    def rollback(self) -> None:
        """Forget what was done since `begin`. Never raises: a lost connection has rolled back."""
        ...

    def close(self) -> None:
        """Let go. Idempotent."""
        ...


class SqlLedger:
    """One writer per database: opening it takes over, and whoever held it before is refused from then on."""

    def __init__(self, database: Database, anchor: Anchor, clock: Clock | None, place: str) -> None:
        self._database = database
        self._anchor = anchor
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._head: Row | None = None
        """The newest row as this writer left it; None when it must be read."""
        self._epoch = 0
        try:
            self._start(place)
        except BaseException:
            database.close()
            raise

    def _start(self, place: str) -> None:
        anchored = self._anchor.heads()
        with self.transaction() as tx:
            self._epoch = tx.next_number("epoch")
            if self._newest() is None:
                _refuse_orphan(anchored, place)
                tx.append(genesis())
            else:
                self._check_anchors(anchored)

    @contextmanager
    def transaction(self) -> Generator[Transaction, None, None]:
        if not self._lock.acquire(timeout=30):
            raise LedgerError("the ledger is busy", expected="one transaction at a time", code="ledger.busy")
        try:
            work = self._begin()
            try:
                yield work
                self._database.commit()
            except BaseException:
                self._head = None
                self._database.rollback()
                raise
            self._remember(work)
        finally:
            self._lock.release()

    def _begin(self) -> SqlTransaction:
        self._database.begin()
        try:
            self._check_epoch()
            return SqlTransaction(self._database, self._newest(), self._clock)
        except BaseException:
            self._database.rollback()
            raise

    def _remember(self, work: SqlTransaction) -> None:
        if work.appended and work.head is not None:
            self._head = work.head
            self._anchor.write(AnchorPoint(seq=work.head.seq, hash=work.head.hash))

    def _check_epoch(self) -> None:
        found = self._database.run("SELECT value FROM counter WHERE name = ?", ["epoch"])
        if self._epoch and (not found or found[0][0] != self._epoch):
            raise LedgerError(
                "another process took over this ledger",
                expected=f"epoch {self._epoch}",
                found=f"epoch {found[0][0] if found else 'none'}",
                hint="stop this action server; the newer one carries on",
                code="ledger.taken_over",
            )

    def _newest(self) -> Row | None:
        if self._head is None:
            found = self._database.run(_HEAD)
            self._head = row_of(found[0]) if found else None
        return self._head

    @property
    def now(self) -> datetime:
        return _not_before(self._newest(), self._clock)

    def get(self, kind: str, id: str) -> Record | None:
        return _get(self._database, kind, id)

    def find(
        self, kind: str, *, change: str | None = None, status: str | None = None, since: datetime | None = None
    ) -> list[Record]:
        return _find(self._database, kind, change, status, since)

    def entries(self, *, after: int = -1, limit: int = 200, change: str | None = None) -> list[LedgerEntry]:
        return page_of(self._database, after, limit, change)

    def search(self, wanted: EntrySearch) -> EntriesFound:
        return search_in(self._database, wanted)

    def stream(self) -> Iterator[LedgerEntry]:
        return (shown(row) for row in self._database.rows())

    def head(self) -> LedgerEntry:
        found = self._database.run(_HEAD)
        assert found, "a started ledger has its genesis row"
        return shown(row_of(found[0]))

    def verify(self) -> LedgerVerification:
        return verify_database(self._database, self._anchor)

    def close(self) -> None:
        with self._lock:
            self._database.close()
            self._anchor.close()

    def _check_anchors(self, anchored: list[AnchorPoint]) -> None:
        """Without an anchor `verify` says so; writing on loses nothing."""
        for point in anchored:
            found = self._database.run("SELECT hash FROM ledger WHERE seq = ?", [point.seq])
            if not found or found[0][0] != point.hash:
                raise LedgerError(
                    "the ledger is not the one its anchor knows",
                    expected=f"entry {point.seq} with hash {point.hash[:12]}…",
                    found=f"hash {found[0][0][:12]}…" if found else "no such entry",
                    hint="run `firebreak ledger verify`, then restore the ledger and its anchor from the same copy",
                    code="ledger.tampered",
                )


class SqlTransaction:
    """Reads and writes between `begin` and `commit`."""

    def __init__(self, database: Database, head: Row | None, clock: Clock) -> None:
        self._database = database
        self._now = _not_before(head, clock)
        self.head = head
        self.appended = False

    @property
    def now(self) -> datetime:
        return self._now

    def append(self, draft: Draft) -> LedgerEntry:
        seq, prev = (self.head.seq + 1, self.head.hash) if self.head else (0, ZERO)
        row = link(draft, seq=seq, prev=prev, at=self._now)
        values = [row.seq, row.at, row.kind, row.actor, row.change, row.content, row.prev, row.hash]
        self._database.run(_INSERT, values)
        self.head, self.appended = row, True
        return shown(row)

    def put(self, record: Record) -> None:
        doc = json.dumps(record.doc)
        values = [record.kind, record.id, record.change, record.status, record.at.isoformat(), doc]
        self._database.run(_PUT, values)

    def get(self, kind: str, id: str) -> Record | None:
        return _get(self._database, kind, id)

    def find(
        self, kind: str, *, change: str | None = None, status: str | None = None, since: datetime | None = None
    ) -> list[Record]:
        return _find(self._database, kind, change, status, since)

    def next_number(self, counter: str) -> int:
        return int(self._database.run(_NEXT, [counter])[0][0])


def verify_database(database: Readable, anchor: Anchor) -> LedgerVerification:
    """Walk the chain of a database that can be read. What cannot be read is a finding, not an exception."""
    try:
        return verify_chain(database.rows(), anchor.points())
    except LedgerError as error:
        return unreadable(error)


def unreadable(error: LedgerError) -> LedgerVerification:
    """The finding that there is nothing to verify."""
    return LedgerVerification(entries=0, verified=False, broken_at=0, problem="; ".join(error.lines()), head="")


def page_of(database: Readable, after: int, limit: int, change: str | None) -> list[LedgerEntry]:
    """Entries after a sequence number, oldest first."""
    where, values = ("AND change = ?", [change]) if change is not None else ("", [])
    sql = f"SELECT {COLUMNS} FROM ledger WHERE seq > ? {where} ORDER BY seq LIMIT ?"  # noqa: S608 - constants only
    return [shown(row_of(found)) for found in database.run(sql, [after, *values, limit])]


def search_in(database: Readable, wanted: EntrySearch) -> EntriesFound:
    """Entries that match, newest first."""
    newest = int(database.run("SELECT COALESCE(MAX(seq), -1) FROM ledger")[0][0])
    before = min(wanted.before, newest + 1)
    where, values = search.conditions(wanted, before)
    sql = f"SELECT {COLUMNS} FROM ledger WHERE {where} ORDER BY seq DESC LIMIT ?"  # noqa: S608 - constants only
    rows = database.run(sql, [*values, wanted.limit])
    return search.found([shown(row_of(row)) for row in rows], wanted, before)


def row_of(found: Sequence[Any]) -> Row:
    """A row as selected with COLUMNS."""
    return Row(**dict(zip(Row.__slots__, found, strict=True)))


def _not_before(head: Row | None, clock: Clock) -> datetime:
    newest = datetime.fromisoformat(head.at) if head else datetime(1970, 1, 1, tzinfo=UTC)
    return max(clock.now(), newest)


def _get(database: Readable, kind: str, id: str) -> Record | None:
    found = database.run(f"{_RECORDS} kind = ? AND id = ?", [kind, id])
    return _record(found[0]) if found else None


def _find(
    database: Readable, kind: str, change: str | None, status: str | None, since: datetime | None
) -> list[Record]:
    wanted = {"change = ?": change, "status = ?": status, "at >= ?": since.isoformat() if since else None}
    filters = {clause: value for clause, value in wanted.items() if value is not None}
    where = " AND ".join(["kind = ?", *filters])
    found = database.run(f"{_RECORDS} {where} ORDER BY at DESC, rowid", [kind, *filters.values()])
    return [_record(row) for row in found]


def _record(found: Sequence[Any]) -> Record:
    kind, id, change, status, at, doc = found
    return Record(kind=kind, id=id, change=change, status=status, at=datetime.fromisoformat(at), doc=json.loads(doc))


def _refuse_orphan(anchored: list[AnchorPoint], place: str) -> None:
    if anchored:
        raise LedgerError(
            "the ledger is gone, but its anchor is still there",
            expected=f"{place} with at least {anchored[0].seq + 1} entries",
            found="no entries",
            hint="restore the ledger from a copy, or move its anchor away to begin a new ledger on purpose",
            code="ledger.missing",
        )
