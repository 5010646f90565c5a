"""The ledger in PostgreSQL: one chain for several machines, in a schema of its own.

One action server writes at a time. Another one that opens the ledger takes over, also while the first one sleeps.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from domain.clock import Clock
from domain.errors import LedgerError
from domain.guard import EntriesFound, EntrySearch, LedgerEntry, LedgerVerification
from governance.ledger.anchor import Anchor
from governance.ledger.chain import Row
from governance.ledger.sql import ALL_ROWS, SqlLedger, page_of, row_of, search_in, verify_database

_SCHEMA = """
CREATE SCHEMA IF NOT EXISTS firebreak;
CREATE TABLE firebreak.ledger (
  seq BIGINT PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, actor TEXT NOT NULL, change TEXT NOT NULL,
  content TEXT NOT NULL, prev TEXT NOT NULL, hash TEXT NOT NULL UNIQUE);
CREATE INDEX ledger_change ON firebreak.ledger (change, seq);
CREATE TABLE firebreak.record (
  rowid BIGINT GENERATED ALWAYS AS IDENTITY, kind TEXT NOT NULL, id TEXT NOT NULL, change TEXT NOT NULL,
  status TEXT NOT NULL, at TEXT COLLATE "C" NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (kind, id));
CREATE INDEX record_change ON firebreak.record (kind, change);
CREATE INDEX record_at ON firebreak.record (kind, at);
CREATE TABLE firebreak.counter (name TEXT PRIMARY KEY, value BIGINT NOT NULL);
CREATE FUNCTION firebreak.ledger_keeps_all() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  RAISE EXCEPTION 'the ledger is append-only: entries are never changed or deleted'; END $$;
CREATE FUNCTION firebreak.ledger_continues() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NEW.seq <> (SELECT COALESCE(MAX(seq), -1) + 1 FROM firebreak.ledger) THEN
    RAISE EXCEPTION 'the ledger is append-only: an entry follows the newest one'; END IF;
  RETURN NEW; END $$;
CREATE TRIGGER ledger_keeps_all BEFORE UPDATE OR DELETE OR TRUNCATE ON firebreak.ledger
  FOR EACH STATEMENT EXECUTE FUNCTION firebreak.ledger_keeps_all();
CREATE TRIGGER ledger_continues BEFORE INSERT ON firebreak.ledger
  FOR EACH ROW EXECUTE FUNCTION firebreak.ledger_continues();
ALTER TABLE firebreak.ledger ENABLE ALWAYS TRIGGER ledger_keeps_all;
ALTER TABLE firebreak.ledger ENABLE ALWAYS TRIGGER ledger_continues;
"""
_ONE_WRITER = "SELECT pg_advisory_xact_lock(hashtext('firebreak.ledger'))"
_SETTINGS = """SET search_path = firebreak; SET synchronous_commit = on; SET lock_timeout = '10s';
  SET statement_timeout = '30s'; SET default_transaction_isolation = 'read committed'"""
_BATCH = 500
"""Rows fetched at once while walking the chain."""


class PostgresLedger(SqlLedger):
    """The ledger that several machines reach. `url` is a libpq connection string; it may hold a password."""

    def __init__(self, url: str, anchor: Anchor, *, clock: Clock | None = None) -> None:
        self.database = PostgresDatabase(url)
        super().__init__(self.database, anchor, clock, place_of(url))


class PostgresDatabase:
    """One connection. A lost one is replaced before the next transaction, never within one."""

    def __init__(self, url: str, *, create: bool = True) -> None:
        self._url = url
        self._closed = False
        with _translated(url):
            self.connection = _connect(url)
            try:
                if create:
                    _create(self.connection)
            except BaseException:
                self.connection.close()
                raise

    def begin(self) -> None:
        with _translated(self._url):
            if self.connection.closed and not self._closed:
                self.connection = _connect(self._url)
            self.connection.execute("BEGIN")
            try:
                self.connection.execute(_ONE_WRITER)
            except BaseException:
                self.rollback()
                raise

    def run(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with _translated(self._url):
            done = self.connection.execute(sql.replace("?", "%s").encode(), values)
            return done.fetchall() if done.description else []

    def commit(self) -> None:
        with _translated(self._url):
            self.connection.execute("COMMIT")

    def rollback(self) -> None:
        with suppress(psycopg.Error):  # a lost connection has rolled back by itself
            self.connection.execute("ROLLBACK")

    def rows(self) -> Iterator[Row]:
        with _translated(self._url), _connect(self._url) as db:
            db.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            with db.cursor("walk") as found:
                found.itersize = _BATCH
                for row in found.execute(ALL_ROWS.encode()):
                    yield row_of(row)

    def close(self) -> None:
        self._closed = True
        self.connection.close()


def verify_url(url: str, anchor: Anchor) -> LedgerVerification:
    """Verify without taking over. Raises LedgerError when it cannot be reached; a broken chain is a finding."""
    with _looking(url) as database:
        return verify_database(database, anchor)


def read_entries(url: str, *, after: int = -1, limit: int = 200, change: str | None = None) -> list[LedgerEntry]:
    """One page, without taking over. Raises LedgerError."""
    with _looking(url) as database:
        return page_of(database, after, limit, change)


def search_url(url: str, wanted: EntrySearch) -> EntriesFound:
    """A search, without taking over. Raises LedgerError."""
    with _looking(url) as database:
        return search_in(database, wanted)


def place_of(url: str) -> str:
    """Where it is, without user and password."""
    try:
        known = conninfo_to_dict(url)
    except psycopg.Error:
        return "PostgreSQL"
    return f"PostgreSQL at {known.get('host', 'localhost')}:{known.get('port', 5432)}/{known.get('dbname', '')}"


@contextmanager
def _looking(url: str) -> Generator[PostgresDatabase, None, None]:
    database = PostgresDatabase(url, create=False)
    try:
        yield database
    finally:
        database.close()


def _connect(url: str) -> psycopg.Connection[Any]:
    connection = psycopg.connect(url, autocommit=True, connect_timeout=5, application_name="firebreak-ledger")
    connection.execute(_SETTINGS)
    return connection


def _create(connection: psycopg.Connection[Any]) -> None:
    """Once, by whoever comes first; later openers need no right to create anything."""
    with connection.transaction():
        connection.execute(_ONE_WRITER)
        there = connection.execute("SELECT to_regclass('firebreak.ledger')").fetchone()
        if there is None or there[0] is None:
            connection.execute(_SCHEMA)


@contextmanager
def _translated(url: str) -> Generator[None, None, None]:
    try:
        yield
    except psycopg.Error as error:
        raise LedgerError(
            "the ledger cannot be read or written",
            expected=place_of(url),
            found=str(error).strip()[:200],
            hint="check that the server is up and the account may use the schema firebreak",
        ) from error
