"""The ledger in SQLite (WAL, synced at every commit): one file for the chain and the state beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from domain.clock import Clock
from domain.errors import LedgerError
from domain.guard import LedgerEntry, LedgerVerification
from governance.ledger.anchor import Anchor
from governance.ledger.chain import Row
from governance.ledger.reserve import DiskReserve
from governance.ledger.sql import ALL_ROWS, SqlLedger, page_of, row_of, unreadable, verify_database

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


class SqliteLedger(SqlLedger):
    """The ledger of one machine."""

    def __init__(
        self, path: Path, anchor: Anchor, *, clock: Clock | None = None, reserve: DiskReserve | None = None
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.database = SqliteDatabase(path, reserve or DiskReserve(path.with_suffix(".reserve")))
        super().__init__(self.database, anchor, clock, str(path))


class SqliteDatabase:
    """The connection that writes, and the disk space kept for it."""

    def __init__(self, path: Path, reserve: DiskReserve) -> None:
        self._path = path
        self._reserve = reserve
        self._made_room = False
        self._until_refill = 0
        with _translated():
            self.connection = _connect(path)
            self.connection.executescript(_SCHEMA)
        path.chmod(0o600)
        reserve.take()

    def begin(self) -> None:
        with _translated():
            self.connection.execute("BEGIN IMMEDIATE")

    def run(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with _translated():
            try:
                return self.connection.execute(sql, values).fetchall()
            except sqlite3.OperationalError as error:
                self._make_room(error)
                return self.connection.execute(sql, values).fetchall()

    def commit(self) -> None:
        with _translated():
            try:
                self.connection.execute("COMMIT")
            except sqlite3.OperationalError as error:
                self._make_room(error)
                self.connection.execute("COMMIT")
        self._refill()

    def rollback(self) -> None:
        self._made_room = False
        with suppress(sqlite3.Error):  # SQLite may have rolled back by itself
            self.connection.execute("ROLLBACK")

    def rows(self) -> Iterator[Row]:
        return SqliteFile(self._path).rows()

    def close(self) -> None:
        with suppress(sqlite3.Error):  # closed already, or the disk is gone: the log is replayed at the next start
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.connection.close()

    def _make_room(self, error: sqlite3.OperationalError) -> None:
        """A full disk is met once with the reserve; SQLite keeps the transaction open after a full statement."""
        full = error.sqlite_errorcode in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE}
        if not (full and self.connection.in_transaction and self._reserve.release()):
            raise error
        self._made_room = True

    def _refill(self) -> None:
        """Some transactions after a full disk, try to take the reserve again."""
        if self._made_room:
            self._made_room, self._until_refill = False, _REFILL_AFTER
        elif self._until_refill:
            self._until_refill -= 1
            if not self._until_refill and not self._reserve.take():
                self._until_refill = _REFILL_AFTER


class SqliteFile:
    """A ledger file that is only looked at, beside its writer or without one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def run(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with _translated(), closing(_connect(self._path, read_only=True)) as db:
            return db.execute(sql, values).fetchall()

    def rows(self) -> Iterator[Row]:
        with _translated(), closing(_connect(self._path, read_only=True)) as db:
            for found in db.execute(ALL_ROWS):
                yield row_of(found)


def verify_file(path: Path, anchor: Anchor) -> LedgerVerification:
    """Verify a ledger file without opening it for writing. An unreadable file is a finding, not an exception."""
    if not path.exists():
        return unreadable(LedgerError("there is no ledger", expected=f"a file at {path}", found="nothing"))
    return verify_database(SqliteFile(path), anchor)


def read_entries(path: Path, *, after: int = -1, limit: int = 200, change: str | None = None) -> list[LedgerEntry]:
    """One page of a ledger file that nobody serves now, without opening it for writing. Raises LedgerError."""
    return page_of(SqliteFile(path), after, limit, change)


def _connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    target = f"file:{path}?mode={'ro' if read_only else 'rwc'}"
    db = sqlite3.connect(target, uri=True, isolation_level=None, check_same_thread=False, timeout=10)
    if not read_only:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
    return db


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
