"""The embedded store: SQLite in WAL mode, one writer (the collector), any number of read-only readers.

Samples lie by time, so that a tick appends to one place, and only what changed is written: a value holds until the
next sample of its series, at most until the end of the collector's run (`runs`). NULL says that a series has nothing
to say from here on. Every sample is repeated after `KEEPALIVE_S`, so a reader need not look back further than that.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from domain.alert import Change
from domain.bundle import LogLine, Span
from domain.errors import StorageError

KEEPALIVE_S = 60.0
"""Seconds after which an unchanged value is written again."""
QUIET_S = 3600.0
"""Seconds that spans and log lines below warning are kept, at most."""
MAX_BYTES = 400 * 1024 * 1024
"""Above this the oldest tenth is let go, whatever its age."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS series(id INTEGER PRIMARY KEY, service TEXT NOT NULL, metric TEXT NOT NULL, UNIQUE(service, metric));
CREATE TABLE IF NOT EXISTS samples(t INTEGER NOT NULL, series INTEGER NOT NULL, value REAL, PRIMARY KEY(t, series)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS logs(id INTEGER PRIMARY KEY, t INTEGER NOT NULL, service TEXT NOT NULL, level TEXT NOT NULL,
  message TEXT NOT NULL, trace_id TEXT NOT NULL, span_id TEXT NOT NULL, attributes TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS logs_t ON logs(t);
CREATE TABLE IF NOT EXISTS spans(id INTEGER PRIMARY KEY, t INTEGER NOT NULL, service TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS spans_t ON spans(t);
CREATE TABLE IF NOT EXISTS changes(id TEXT PRIMARY KEY, t INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS states(id INTEGER PRIMARY KEY, t INTEGER NOT NULL, service TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS offsets(path TEXT PRIMARY KEY, inode INTEGER NOT NULL, position INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS runs(id INTEGER PRIMARY KEY, started INTEGER NOT NULL, last INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS outbox(id INTEGER PRIMARY KEY AUTOINCREMENT, created INTEGER NOT NULL, body BLOB NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, not_before INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS slo_minutes(key TEXT NOT NULL, minute INTEGER NOT NULL, bad REAL NOT NULL, total REAL NOT NULL,
  PRIMARY KEY(key, minute)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts(name TEXT PRIMARY KEY, at INTEGER NOT NULL, body TEXT NOT NULL);
"""


def millis(seconds: float) -> int:
    """Epoch milliseconds, the store's unit of time."""
    return round(seconds * 1000)


def _open_reader(path: Path) -> sqlite3.Connection | None:
    if not path.exists():
        return None
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=2.0)
    except sqlite3.OperationalError:
        return None
    try:
        connection.execute("SELECT 1 FROM facts LIMIT 1")
    except sqlite3.DatabaseError:
        connection.close()
        return None
    return connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One queued delivery."""

    id: int
    body: bytes
    attempts: int


class TelemetryWriter:
    """The one writer. Not safe for several threads at once; one transaction per tick (`commit`)."""

    def __init__(self, path: Path, *, retention_s: float = 6 * 3600) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._retention = retention_s
        self._ids: dict[tuple[str, str], int] = {}
        self._last: dict[tuple[str, str], tuple[float, float | None]] = {}
        self._db = self._open()
        self._run = 0

    def _open(self) -> sqlite3.Connection:
        """Open or make the store; one that is damaged is moved aside: telemetry is worth less than going on."""
        try:
            return self._connect()
        except sqlite3.DatabaseError:
            for suffix in ("", "-wal", "-shm"):
                damaged = Path(f"{self._path}{suffix}")
                if damaged.exists():
                    damaged.replace(f"{self._path}.damaged{suffix}")
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=10.0, check_same_thread=False, isolation_level=None)
        try:
            db.execute("PRAGMA auto_vacuum=INCREMENTAL")
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            db.execute("PRAGMA journal_size_limit=8388608")
            db.executescript(_SCHEMA)
            db.execute("SELECT COUNT(*) FROM runs").fetchone()
        except BaseException:
            db.close()
            raise
        os.chmod(self._path, 0o600)
        return db

    def close(self) -> None:
        """Write what is pending and close."""
        if self._db.in_transaction:
            self._db.execute("COMMIT")
        self._db.close()

    def _begin(self) -> sqlite3.Connection:
        if not self._db.in_transaction:
            self._db.execute("BEGIN IMMEDIATE")
        return self._db

    def commit(self, now: float) -> None:
        """End of a tick: note that the collector lives and make everything since the last one durable."""
        db = self._begin()
        if not self._run:
            self._run = int(
                db.execute("INSERT INTO runs(started, last) VALUES (?, ?)", (millis(now), millis(now))).lastrowid or 0
            )
        db.execute("UPDATE runs SET last = ? WHERE id = ?", (millis(now), self._run))
        db.execute("COMMIT")

    def rollback(self) -> None:
        """Forget the tick that could not be written; everything is written anew with the next one."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        self._ids.clear()
        self._last.clear()
        self._run = 0

    def last_run(self) -> float | None:
        """When the collector last ticked, before this run; None the first time."""
        row = self._db.execute("SELECT MAX(last) FROM runs WHERE id != ?", (self._run,)).fetchone()
        return None if row[0] is None else row[0] / 1000

    def points(self, t: float, service: str, values: Mapping[str, float], silent: Iterable[str] = ()) -> None:
        """Values of one service at `t`; only what changed is written. `silent` series have nothing to say any more."""
        rows = []
        for metric, value in [*values.items(), *((m, None) for m in silent)]:
            key = (service, metric)
            known = self._last.get(key)
            if known is not None and known[1] == value and t - known[0] < KEEPALIVE_S:
                continue
            if known is None and value is None:
                continue
            self._last[key] = (t, value)
            rows.append((millis(t), self._id(key), value))
        if rows:
            self._begin().executemany("INSERT OR REPLACE INTO samples VALUES (?, ?, ?)", rows)

    def _id(self, key: tuple[str, str]) -> int:
        known = self._ids.get(key)
        if known is None:
            db = self._begin()
            db.execute("INSERT OR IGNORE INTO series(service, metric) VALUES (?, ?)", key)
            known = self._ids[key] = int(
                db.execute("SELECT id FROM series WHERE service = ? AND metric = ?", key).fetchone()[0]
            )
        return known

    def logs(self, lines: Iterable[LogLine]) -> None:
        """Append log lines."""
        rows = [
            (millis(r.time), r.service, r.level, r.message, r.trace_id, r.span_id, _json(r.attributes)) for r in lines
        ]
        self._begin().executemany(
            "INSERT INTO logs(t, service, level, message, trace_id, span_id, attributes) VALUES (?, ?, ?, ?, ?, ?, ?)",
            rows,
        )

    def spans(self, spans: Iterable[Span]) -> None:
        """Append spans."""
        rows = [(millis(s.start), s.service, _json(asdict(s))) for s in spans]
        self._begin().executemany("INSERT INTO spans(t, service, body) VALUES (?, ?, ?)", rows)

    def changes(self, changes: Iterable[Change]) -> None:
        """Keep changes; one that is known by its id already stays as it was first seen."""
        rows = [(c.id, millis(c.time.timestamp()), c.model_dump_json()) for c in changes if not self._told(c)]
        self._begin().executemany("INSERT OR IGNORE INTO changes VALUES (?, ?, ?)", rows)

    def _told(self, change: Change) -> bool:
        """Whether somebody else told of this very configuration edit already (its supervisor, or we ourselves)."""
        if change.kind != "config" or not change.version:
            return False
        t = millis(change.time.timestamp())
        near = self._db.execute("SELECT id, body FROM changes WHERE t BETWEEN ? AND ?", (t - 30_000, t + 30_000))
        return any(
            identity != change.id
            and (row["kind"], row["service"], row["version"]) == ("config", change.service, change.version)
            for identity, row in ((i, json.loads(body)) for i, body in near.fetchall())
        )

    def state(self, t: float, service: str, body: Mapping[str, Any]) -> None:
        """A process changed its state."""
        self._begin().execute(
            "INSERT INTO states(t, service, body) VALUES (?, ?, ?)", (millis(t), service, _json(dict(body)))
        )

    def last_state(self, service: str) -> dict[str, Any] | None:
        """The last state recorded of a service."""
        row = self._db.execute(
            "SELECT body FROM states WHERE service = ? ORDER BY id DESC LIMIT 1", (service,)
        ).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def offset(self, path: str) -> tuple[int, int] | None:
        """Inode and position up to which a file has been read."""
        row = self._db.execute("SELECT inode, position FROM offsets WHERE path = ?", (path,)).fetchone()
        return None if row is None else (int(row[0]), int(row[1]))

    def keep_offset(self, path: str, inode: int, position: int) -> None:
        """Remember how far a file has been read; in the same transaction as what was read."""
        self._begin().execute("INSERT OR REPLACE INTO offsets VALUES (?, ?, ?)", (path, inode, position))

    def fact(self, name: str) -> Any:
        """A remembered JSON value, or None."""
        row = self._db.execute("SELECT body FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def keep_fact(self, name: str, body: Any, now: float) -> None:
        """Remember a JSON value."""
        self._begin().execute("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", (name, millis(now), _json(body)))

    def count(self, key: str, now: float, *, bad: float, total: float) -> None:
        """Add bad and all seconds to an objective's minute."""
        self._begin().execute(
            "INSERT INTO slo_minutes VALUES (?, ?, ?, ?) ON CONFLICT(key, minute) "
            "DO UPDATE SET bad = bad + excluded.bad, total = total + excluded.total",
            (key, int(now // 60), bad, total),
        )

    def spent(self, key: str, now: float, window_s: float) -> tuple[float, float]:
        """Bad and all seconds of an objective over its window."""
        row = self._db.execute(
            "SELECT COALESCE(SUM(bad), 0), COALESCE(SUM(total), 0) FROM slo_minutes WHERE key = ? AND minute >= ?",
            (key, int((now - window_s) // 60)),
        ).fetchone()
        return float(row[0]), float(row[1])

    def enqueue(self, body: bytes, now: float) -> None:
        """Queue a delivery; it outlives this process."""
        self._begin().execute("INSERT INTO outbox(created, body) VALUES (?, ?)", (millis(now), body))

    def due(self, now: float) -> Outgoing | None:
        """The oldest delivery when its time has come; order is kept, so nothing overtakes it."""
        row = self._db.execute("SELECT id, body, attempts, not_before FROM outbox ORDER BY id LIMIT 1").fetchone()
        if row is None or row[3] > millis(now):
            return None
        return Outgoing(id=row[0], body=bytes(row[1]), attempts=row[2])

    def delivered(self, delivery: int) -> None:
        """Take a delivery off the queue."""
        self._begin().execute("DELETE FROM outbox WHERE id = ?", (delivery,))
        self._db.execute("COMMIT")

    def postpone(self, delivery: int, until: float, error: str) -> None:
        """Try again later."""
        self._begin().execute(
            "UPDATE outbox SET attempts = attempts + 1, not_before = ?, error = ? WHERE id = ?",
            (millis(until), error[:300], delivery),
        )
        self._db.execute("COMMIT")

    def prune(self, now: float) -> None:
        """Let go of what is older than the retention, and of the oldest when the file has grown too large."""
        db = self._begin()
        horizon = millis(now - self._retention)
        quiet = millis(now - min(self._retention, QUIET_S))
        pages, size, free = (int(db.execute(f"PRAGMA {p}").fetchone()[0]) for p in _SIZE)
        if (pages - free) * size > MAX_BYTES:
            first = db.execute("SELECT MIN(t) FROM samples").fetchone()[0] or horizon
            horizon = quiet = max(horizon, int(first + (millis(now) - first) * 0.1))
        db.execute("DELETE FROM samples WHERE t < ?", (horizon,))
        db.execute("DELETE FROM logs WHERE t < ?", (horizon,))
        db.execute("DELETE FROM logs WHERE t < ? AND lower(level) IN ('', 'debug', 'info')", (quiet,))
        db.execute("DELETE FROM spans WHERE t < ?", (quiet,))
        db.execute(
            "DELETE FROM states WHERE t < ? AND id NOT IN (SELECT MAX(id) FROM states GROUP BY service)", (horizon,)
        )
        db.execute("DELETE FROM changes WHERE t < ?", (millis(now - 7 * 86400),))
        db.execute("DELETE FROM slo_minutes WHERE minute < ?", (int((now - 31 * 86400) // 60),))
        db.execute("DELETE FROM runs WHERE last < ? AND id != ?", (horizon, self._run))
        db.execute("COMMIT")
        db.execute("PRAGMA incremental_vacuum(2000)")


_SIZE = ("page_count", "page_size", "freelist_count")


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), default=str)


class Reader:
    """Read-only queries from any process. No store yet: no rows."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def query(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Rows; empty when there is no store. Raises StorageError when it is damaged."""
        connection = _open_reader(self._path)
        if connection is None:
            return []
        with closing(connection):
            try:
                return connection.execute(sql, parameters).fetchall()
            except sqlite3.DatabaseError as error:
                raise StorageError(
                    "the telemetry store cannot be read", expected=f"a store at {self._path}", found=str(error)
                ) from error

    def fact(self, name: str) -> tuple[float, Any] | None:
        """A remembered JSON value and when it was written (epoch seconds)."""
        rows = self.query("SELECT at, body FROM facts WHERE name = ?", (name,))
        return (rows[0][0] / 1000, json.loads(rows[0][1])) if rows else None
