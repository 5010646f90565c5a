"""The outbox in one SQLite file: what must still be told to whom survives every crash."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from domain.errors import ConflictError, NotFoundError
from graph.outgoing.subscription import Delivery, DeliveryState

T = TypeVar("T")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, webhook TEXT NOT NULL, event TEXT NOT NULL, subject TEXT NOT NULL,
    state TEXT NOT NULL, attempts INTEGER NOT NULL, created_at TEXT NOT NULL, next_at TEXT NOT NULL,
    answer TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (state, next_at);
CREATE TABLE IF NOT EXISTS cursors (webhook TEXT PRIMARY KEY, seq INTEGER NOT NULL);
"""
_COLUMNS = "id, webhook, event, subject, state, attempts, created_at, next_at, answer"
_KEEP = 10_000
"""Deliveries that arrived and are still listed."""


class Outbox:
    """One connection, used from worker threads; every public call is one transaction."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(str(path), check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def locked() -> T:
            with self._lock, self._db:
                return work(self._db)

        return await asyncio.to_thread(locked)

    async def cursor(self, webhook: str) -> int | None:
        """The last event that was looked at for a webhook; None when it is new."""
        sql = "SELECT seq FROM cursors WHERE webhook = ?"
        row = await self._do(lambda db: db.execute(sql, (webhook,)).fetchone())
        return None if row is None else int(row[0])

    async def take(self, webhook: str, seq: int, envelopes: Sequence[dict[str, Any]], now: datetime) -> None:
        """Remember what must be told, and up to which event that is all, in one transaction."""

        def work(db: sqlite3.Connection) -> None:
            for envelope in envelopes:
                _insert(db, webhook, envelope, now)
            db.execute("INSERT OR REPLACE INTO cursors (webhook, seq) VALUES (?, ?)", (webhook, seq))

        await self._do(work)

    async def add(self, webhook: str, envelope: dict[str, Any], now: datetime) -> Delivery:
        """One delivery beside the events: a test."""
        return await self._do(lambda db: _load(db, _insert(db, webhook, envelope, now)))

    async def due(self, now: datetime, limit: int = 20) -> list[tuple[Delivery, str]]:
        """What should be tried now, longest waiting first, with its body."""
        sql = f"SELECT {_COLUMNS}, body FROM deliveries WHERE state = ? AND next_at <= ? ORDER BY next_at LIMIT ?"  # noqa: S608
        args = (DeliveryState.WAITING, now.isoformat(), limit)
        rows = await self._do(lambda db: db.execute(sql, args).fetchall())
        return [(_delivery(row[:-1]), row[-1]) for row in rows]

    async def save(self, delivery: Delivery) -> None:
        """How a try came out. Old deliveries that arrived are forgotten."""

        def work(db: sqlite3.Connection) -> None:
            values = (
                delivery.state,
                delivery.attempts,
                delivery.next_at.isoformat(),
                delivery.answer,
                delivery.id,
            )
            db.execute("UPDATE deliveries SET state = ?, attempts = ?, next_at = ?, answer = ? WHERE id = ?", values)
            db.execute(
                "DELETE FROM deliveries WHERE state = ? AND id <= ?", (DeliveryState.DELIVERED, delivery.id - _KEEP)
            )

        await self._do(work)

    async def deliveries(self, *, state: DeliveryState | None = None, limit: int = 100) -> list[Delivery]:
        """Newest first."""
        sql = f"SELECT {_COLUMNS} FROM deliveries WHERE (? IS NULL OR state = ?) ORDER BY id DESC LIMIT ?"  # noqa: S608
        return [_delivery(row) for row in await self._do(lambda db: db.execute(sql, (state, state, limit)).fetchall())]

    async def counts(self) -> dict[tuple[str, str], int]:
        """(webhook, state) → how many."""
        sql = "SELECT webhook, state, count(*) FROM deliveries GROUP BY webhook, state"
        return {(hook, state): n for hook, state, n in await self._do(lambda db: db.execute(sql).fetchall())}

    async def redeliver(self, delivery_id: int, now: datetime) -> Delivery:
        """Try it again from the first attempt on. Raises NotFoundError, and ConflictError for one that waits already."""

        def work(db: sqlite3.Connection) -> Delivery:
            found = _load(db, delivery_id)
            if found.state is DeliveryState.WAITING:
                raise ConflictError(
                    f"delivery {delivery_id} is on its way already",
                    expected="one that is dead or delivered",
                    found=f"waiting until {found.next_at.isoformat(timespec='seconds')}",
                )
            sql = "UPDATE deliveries SET state = ?, attempts = 0, next_at = ? WHERE id = ?"
            db.execute(sql, (DeliveryState.WAITING, now.isoformat(), delivery_id))
            return _load(db, delivery_id)

        return await self._do(work)

    async def get(self, delivery_id: int) -> Delivery:
        """Raises NotFoundError."""
        return await self._do(lambda db: _load(db, delivery_id))


def _insert(db: sqlite3.Connection, webhook: str, envelope: dict[str, Any], now: datetime) -> int:
    sql = (
        "INSERT INTO deliveries (webhook, event, subject, state, attempts, created_at, next_at, answer, body)"
        " VALUES (?, ?, ?, ?, 0, ?, ?, '', ?)"
    )
    told = (webhook, envelope["type"], envelope["subject"], DeliveryState.WAITING)
    done = db.execute(sql, (*told, now.isoformat(), now.isoformat(), json.dumps(envelope)))
    return int(done.lastrowid or 0)


def _load(db: sqlite3.Connection, delivery_id: int) -> Delivery:
    sql = f"SELECT {_COLUMNS} FROM deliveries WHERE id = ?"  # noqa: S608 - constants only
    row = db.execute(sql, (delivery_id,)).fetchone()
    if row is None:
        raise NotFoundError(
            f"there is no delivery {delivery_id}", expected="an id of `firebreak webhook deliveries`", found="nothing"
        )
    return _delivery(row)


def _delivery(row: Sequence[Any]) -> Delivery:
    names = ("id", "webhook", "event", "subject", "state", "attempts", "created_at", "next_at", "answer")
    return Delivery.model_validate(dict(zip(names, row, strict=True)))
