"""Every kind of ledger, and the hands of somebody who spoils what is stored: for conformance tests."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

from domain.clock import Clock, ManualClock
from domain.guard import LedgerVerification
from governance.ledger.opening import Place, open_ledger, verify_ledger
from governance.ledger.port import Draft, Ledger


@dataclass(frozen=True)
class Stored:
    """A ledger that outlives its writer: in a file, or in a PostgreSQL."""

    place: Place
    execute: Callable[[list[str]], None]
    """Runs statements as somebody who merely has access."""
    disarm: list[str]
    """Statements that take the triggers away first."""

    def open(self, clock: Clock | None = None) -> Ledger:
        return open_ledger(self.place, clock or ManualClock())

    def filled(self, entries: int = 5) -> Stored:
        """With that many entries after genesis, and closed."""
        ledger = self.open()
        with ledger.transaction() as tx:
            for n in range(entries):
                tx.append(Draft(kind="effect", actor="agent", content={"n": n}))
        ledger.close()
        return self

    def vandalise(self, *statements: str) -> None:
        self.execute([*self.disarm, *statements])

    def verify(self) -> LedgerVerification:
        return verify_ledger(self.place)


def in_file(home: Path) -> Stored:
    """`ledger.db` in a home."""

    def execute(statements: list[str]) -> None:
        with contextlib.closing(sqlite3.connect(home / "ledger.db")) as db:
            for statement in statements:
                db.execute(statement)
            db.commit()

    names = ("ledger_keeps_entries", "ledger_keeps_all", "ledger_continues")
    return Stored(place=Place(home=home), execute=execute, disarm=[f"DROP TRIGGER {name}" for name in names])


def in_postgres(home: Path, dsn: str) -> Stored:
    """An empty schema `firebreak` on a running server; the anchor is in the home."""

    def execute(statements: list[str]) -> None:
        with psycopg.connect(dsn, autocommit=True, options="-c search_path=firebreak") as db:
            for statement in statements:
                db.execute(statement.encode())

    execute(["DROP SCHEMA IF EXISTS firebreak CASCADE"])
    names = ("ledger_keeps_all", "ledger_continues")
    disarm = [f"DROP TRIGGER {name} ON ledger" for name in names]
    return Stored(place=Place(home=home, url=dsn), execute=execute, disarm=disarm)
