"""The one SQLite file of the incident records: its tables, and transactions in a worker thread."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
Connection = sqlite3.Connection

_SCHEMA = """
CREATE TABLE IF NOT EXISTS deliveries (
    id TEXT PRIMARY KEY, source TEXT NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL,
    received_at TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'waiting');
CREATE TABLE IF NOT EXISTS receipts (n INTEGER PRIMARY KEY, delivery TEXT NOT NULL, episode TEXT NOT NULL, incident TEXT,
    rule TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS receipts_by_delivery ON receipts (delivery);
CREATE TABLE IF NOT EXISTS incidents (id TEXT PRIMARY KEY, opened_at TEXT NOT NULL, status TEXT NOT NULL,
    terminal INTEGER NOT NULL, closed_at TEXT, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS incidents_by_time ON incidents (opened_at DESC, id DESC);
CREATE TABLE IF NOT EXISTS alerts (incident TEXT NOT NULL, episode TEXT NOT NULL, service TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (incident, episode));
CREATE TABLE IF NOT EXISTS remarks (n INTEGER PRIMARY KEY, incident TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS changes (id TEXT PRIMARY KEY, t REAL NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS orders (incident TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY AUTOINCREMENT, subject TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_by_subject ON events (subject, seq);
CREATE TABLE IF NOT EXISTS followed (name TEXT PRIMARY KEY, seq INTEGER NOT NULL);
"""


class RecordsFile:
    """One connection, used from a worker thread; every `do` is one transaction."""

    def __init__(self, path: Path | str) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(str(path), check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    async def do(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns; what it wrote is kept as a whole, or not at all when it raises."""
        return await asyncio.to_thread(self._locked, work)

    def _locked(self, work: Callable[[Connection], T]) -> T:
        with self._lock, self._db:
            return work(self._db)
