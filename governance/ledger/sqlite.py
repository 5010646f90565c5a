"""The ledger in SQLite (WAL, synced at every commit): one file for the chain and the state beside it."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from domain.clock import Clock, SystemClock
from domain.errors import LedgerError
from domain.guard import LedgerEntry, LedgerVerification
from governance.ledger.anchor import FileAnchor
from governance.ledger.chain import ZERO, AnchorPoint, Row, genesis, link, shown, verify_chain
from governance.ledger.port import Draft, Record, Transaction
from governance.ledger.reserve import DiskReserve

_SCHEMA = """
CREATE TABLE IF NOT EXISTS ledger (
  seq INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, actor TEXT NOT NULL, change TEXT NOT NULL,
  content TEXT NOT NULL, prev TEXT NOT NULL, hash TEXT NOT NULL UNIQUE) STRICT;
CREATE INDEX IF NOT EXISTS ledger_change ON ledger (change, seq);
CREATE TRIGGER IF NOT EXISTS ledger_keeps_entries BEFORE UPDATE ON ledger
  BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: entries are never changed'); END;
CREATE TRIGGER IF NOT EXISTS ledger_keeps_all BEFORE DELETE ON ledger
  BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: entries are never deleted'); END;
CREATE TRIGGER IF NOT EXISTS ledger_continues BEFORE INSERT ON ledger
  WHEN NEW.seq <> (SELECT COALESCE(MAX(seq), -1) + 1 FROM ledger)
  BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: an entry follows the newest one'); END;
CREATE TABLE IF NOT EXISTS record (
  kind TEXT NOT NULL, id TEXT NOT NULL, change TEXT NOT NULL, status TEXT NOT NULL, at TEXT NOT NULL,
  doc TEXT NOT NULL, PRIMARY KEY (kind, id)) STRICT;
CREATE INDEX IF NOT EXISTS record_change ON record (kind, change);
CREATE INDEX IF NOT EXISTS record_at ON record (kind, at);
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
"""
_REFILL_AFTER = 50
"""Transactions after which a released reserve is taken again, if the disk has room."""
_COLUMNS = "seq, at, kind, actor, change, content, prev, hash"


class SqliteLedger:
    """One writer process per file: opening it takes over, and whoever held it before is refused from then on."""

    def __init__(
        self, path: Path, anchor: FileAnchor, *, clock: Clock | None = None, reserve: DiskReserve | None = None
    ) -> None:
        self._path = path
        self._anchor = anchor
        self._clock = clock or SystemClock()
        self._reserve = reserve or DiskReserve(path.with_suffix(".reserve"))
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = _connect(path)
        self._newest: datetime | None = None
        self._epoch = 0
        self._until_refill = 0
        self._start()

    def _start(self) -> None:
        with _translated():
            self._db.executescript(_SCHEMA)
        self._path.chmod(0o600)
        last = _last(self._anchor)
        if self._head_row() is None:
            _refuse_orphan(last, self._path)
            with self.transaction() as tx:
                tx.append(genesis())
        else:
            self._check_anchor(last)
        with self.transaction() as tx:
            self._epoch = tx.next_number("epoch")
        self._reserve.take()

    @contextmanager
    def transaction(self) -> Generator[Transaction, None, None]:
        if not self._lock.acquire(timeout=30):
            raise LedgerError("the ledger is busy", expected="one transaction at a time", code="ledger.busy")
        try:
            with _translated():
                self._begin()
            work = _SqliteTransaction(self._db, self.now, self._reserve)
            try:
                yield work
                with _translated():
                    work.commit()
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite may have rolled back by itself
                    self._db.execute("ROLLBACK")
                raise
            self._refill(work)
            if work.newest is not None:
                self._newest = work.now
                self._anchor.write(AnchorPoint(seq=work.newest.seq, hash=work.newest.hash))
        finally:
            self._lock.release()

    def _refill(self, work: _SqliteTransaction) -> None:
        """Some transactions after a full disk, try to take the reserve again."""
        if work.made_room:
            self._until_refill = _REFILL_AFTER
        elif self._until_refill:
            self._until_refill -= 1
            if not self._until_refill and not self._reserve.take():
                self._until_refill = _REFILL_AFTER

    def _begin(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        found = self._db.execute("SELECT value FROM counter WHERE name = 'epoch'").fetchone()
        if self._epoch and (found is None or found[0] != self._epoch):
            self._db.execute("ROLLBACK")
            raise LedgerError(
                "another process took over this ledger",
                expected=f"epoch {self._epoch}",
                found=f"epoch {found[0] if found else 'none'}",
                hint="stop this action server; the newer one carries on",
                code="ledger.taken_over",
            )

    @property
    def now(self) -> datetime:
        if self._newest is None:
            row = self._head_row()
            self._newest = datetime.fromisoformat(row.at) if row else datetime(1970, 1, 1, tzinfo=UTC)
        return max(self._clock.now(), self._newest)

    def get(self, kind: str, id: str) -> Record | None:
        with _translated():
            return _get(self._db, kind, id)

    def find(
        self, kind: str, *, change: str | None = None, status: str | None = None, since: datetime | None = None
    ) -> list[Record]:
        with _translated():
            return _find(self._db, kind, change, status, since)

    def entries(self, *, after: int = -1, limit: int = 200, change: str | None = None) -> list[LedgerEntry]:
        with _translated():
            return _entries(self._db, after, limit, change)

    def stream(self) -> Iterator[LedgerEntry]:
        with closing(_connect(self._path)) as db:
            yield from (shown(row) for row in _rows(db))

    def head(self) -> LedgerEntry:
        row = self._head_row()
        assert row is not None, "a started ledger has its genesis row"
        return shown(row)

    def verify(self) -> LedgerVerification:
        return verify_file(self._path, self._anchor.path)

    def close(self) -> None:
        with self._lock:
            try:
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.Error:
                return  # closed already, or the disk is gone: the write-ahead log is replayed at the next start
            self._db.close()

    def _head_row(self) -> Row | None:
        with _translated():
            found = self._db.execute(f"SELECT {_COLUMNS} FROM ledger ORDER BY seq DESC LIMIT 1").fetchone()  # noqa: S608
        return _row(found) if found else None

    def _check_anchor(self, last: AnchorPoint | None) -> None:
        if last is None:
            return  # verify says so; writing on loses nothing
        with _translated():
            found = self._db.execute("SELECT hash FROM ledger WHERE seq = ?", [last.seq]).fetchone()
        if found is None or found[0] != last.hash:
            raise LedgerError(
                "the ledger is not the one its anchor knows",
                expected=f"entry {last.seq} with hash {last.hash[:12]}…",
                found="no such entry" if found is None else f"hash {found[0][:12]}…",
                hint="run `firebreak ledger verify`, then restore ledger.db and ledger.anchor from the same copy",
                code="ledger.tampered",
            )


class _SqliteTransaction:
    """Reads and writes inside BEGIN IMMEDIATE … COMMIT."""

    def __init__(self, db: sqlite3.Connection, now: datetime, reserve: DiskReserve) -> None:
        self._db = db
        self._now = now
        self._reserve = reserve
        self.newest: Row | None = None
        self.made_room = False

    @property
    def now(self) -> datetime:
        return self._now

    def append(self, draft: Draft) -> LedgerEntry:
        if self.newest is None:
            found = self._db.execute("SELECT seq, hash FROM ledger ORDER BY seq DESC LIMIT 1").fetchone()
            seq, prev = (found[0], found[1]) if found else (-1, ZERO)
        else:
            seq, prev = self.newest.seq, self.newest.hash
        row = link(draft, seq=seq + 1, prev=prev, at=self._now)
        values = [row.seq, row.at, row.kind, row.actor, row.change, row.content, row.prev, row.hash]
        self._write(f"INSERT INTO ledger ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608
        self.newest = row
        return shown(row)

    def put(self, record: Record) -> None:
        values = [record.kind, record.id, record.change, record.status, record.at.isoformat(), json.dumps(record.doc)]
        self._write(
            "INSERT OR REPLACE INTO record (kind, id, change, status, at, doc) VALUES (?, ?, ?, ?, ?, ?)", values
        )

    def get(self, kind: str, id: str) -> Record | None:
        return _get(self._db, kind, id)

    def find(
        self, kind: str, *, change: str | None = None, status: str | None = None, since: datetime | None = None
    ) -> list[Record]:
        return _find(self._db, kind, change, status, since)

    def next_number(self, counter: str) -> int:
        self._write(
            "INSERT INTO counter (name, value) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1",
            [counter],
        )
        found = self._db.execute("SELECT value FROM counter WHERE name = ?", [counter]).fetchone()
        return int(found[0])

    def commit(self) -> None:
        try:
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            self._make_room(error)
            self._db.execute("COMMIT")

    def _write(self, sql: str, values: list[Any]) -> None:
        with _translated():
            try:
                self._db.execute(sql, values)
            except sqlite3.OperationalError as error:
                self._make_room(error)
                self._db.execute(sql, values)

    def _make_room(self, error: sqlite3.OperationalError) -> None:
        """A full disk is met once with the reserve; SQLite keeps the transaction open after a full statement."""
        full = error.sqlite_errorcode in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE}
        if not (full and self._db.in_transaction and self._reserve.release()):
            raise error
        self.made_room = True


def verify_file(path: Path, anchor: Path) -> LedgerVerification:
    """Verify a ledger file without opening it for writing. An unreadable file is a finding, not an exception."""
    try:
        if not path.exists():
            raise LedgerError("there is no ledger", expected=f"a file at {path}", found="nothing")
        with _translated(), closing(_connect(path, read_only=True)) as db:
            return verify_chain(_rows(db), FileAnchor(anchor).points())
    except LedgerError as error:
        problem = "; ".join(error.lines())
        return LedgerVerification(entries=0, verified=False, broken_at=0, problem=problem, head="")


def read_entries(path: Path, *, after: int = -1, limit: int = 200, change: str | None = None) -> list[LedgerEntry]:
    """One page of a ledger file that nobody serves now, without opening it for writing. Raises LedgerError."""
    with _translated(), closing(_connect(path, read_only=True)) as db:
        return _entries(db, after, limit, change)


def _entries(db: sqlite3.Connection, after: int, limit: int, change: str | None) -> list[LedgerEntry]:
    where, values = ("AND change = ?", [change]) if change is not None else ("", [])
    sql = f"SELECT {_COLUMNS} FROM ledger WHERE seq > ? {where} ORDER BY seq LIMIT ?"  # noqa: S608 - constants only
    return [shown(_row(found)) for found in db.execute(sql, [after, *values, limit])]


def _connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    with _translated():
        target = f"file:{path}?mode={'ro' if read_only else 'rwc'}"
        db = sqlite3.connect(target, uri=True, isolation_level=None, check_same_thread=False, timeout=10)
        if not read_only:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
        return db


def _rows(db: sqlite3.Connection) -> Iterator[Row]:
    for found in db.execute(f"SELECT {_COLUMNS} FROM ledger ORDER BY seq"):  # noqa: S608 - constants only
        yield _row(found)


def _row(found: tuple[Any, ...]) -> Row:
    return Row(**dict(zip(Row.__slots__, found, strict=True)))


def _get(db: sqlite3.Connection, kind: str, id: str) -> Record | None:
    sql = "SELECT kind, id, change, status, at, doc FROM record WHERE kind = ? AND id = ?"
    found = db.execute(sql, [kind, id]).fetchone()
    return _record(found) if found else None


def _find(
    db: sqlite3.Connection, kind: str, change: str | None, status: str | None, since: datetime | None
) -> list[Record]:
    wanted = {"change = ?": change, "status = ?": status, "at >= ?": since.isoformat() if since else None}
    filters = {clause: value for clause, value in wanted.items() if value is not None}
    where = " AND ".join(["kind = ?", *filters])
    sql = f"SELECT kind, id, change, status, at, doc FROM record WHERE {where} ORDER BY at DESC, rowid"  # noqa: S608
    return [_record(found) for found in db.execute(sql, [kind, *filters.values()])]


def _record(found: tuple[Any, ...]) -> Record:
    kind, id, change, status, at, doc = found
    return Record(kind=kind, id=id, change=change, status=status, at=datetime.fromisoformat(at), doc=json.loads(doc))


def _last(anchor: FileAnchor) -> AnchorPoint | None:
    last = None
    for last in anchor.points():  # noqa: B007 - only the last one is wanted
        pass
    return last


def _refuse_orphan(last: AnchorPoint | None, path: Path) -> None:
    if last is not None:
        raise LedgerError(
            "the ledger is gone, but its anchor is still there",
            expected=f"{path} with at least {last.seq + 1} entries",
            found="no entries",
            hint="restore ledger.db from a copy, or move ledger.anchor away to begin a new ledger on purpose",
            code="ledger.missing",
        )


@contextmanager
def _translated() -> Generator[None, None, None]:
    try:
        yield
    except sqlite3.Error as error:
        raise LedgerError(
            "the ledger cannot be read or written",
            found=str(error)[:200],
            hint="check the disk and the file's owner; `firebreak ledger verify` tells whether the chain still holds",
        ) from error
