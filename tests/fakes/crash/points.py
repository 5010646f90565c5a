"""Boundaries, found by instrumentation: every transaction of the ledger that writes, and every effect."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from domain.guard import LedgerEntry
from governance.ledger.port import Draft, Ledger, Record, Transaction

Victim = Literal["action-server", "app", "nobody", "paused"]
"""Who is killed; `paused` is the action server, which is stopped (SIGSTOP) instead."""


@dataclass(frozen=True)
class Files:
    """What one run of the plan leaves, in one folder."""

    home: Path

    @property
    def points(self) -> Path:
        return self.home / "points.txt"

    @property
    def shot(self) -> Path:
        return self.home / "shot"

    @property
    def app_pid(self) -> Path:
        return self.home / "app.pid"

    @property
    def done(self) -> Path:
        return self.home / "done.json"

    def reached(self) -> list[str]:
        """Labels of all boundaries reached so far, in order, over all processes."""
        return self.points.read_text().splitlines() if self.points.exists() else []


class Points:
    """Numbers every boundary; at the chosen one the victim is hit, once."""

    def __init__(self, files: Files, at: int | str, victim: Victim) -> None:
        """`at` is a number, or a label at its first time."""
        self._files = files
        self._at = at
        self._victim = victim

    def reach(self, label: str) -> None:
        number = len(self._files.reached())
        with self._files.points.open("a") as file:
            file.write(label + "\n")
        if self._at in (number, label) and not self._files.shot.exists():
            self._files.shot.write_text(label)
            self._kill()

    def _kill(self) -> None:
        if self._victim == "action-server":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self._victim == "app":
            os.kill(int(self._files.app_pid.read_text()), signal.SIGKILL)
        elif self._victim == "paused":
            os.kill(os.getpid(), signal.SIGSTOP)


class InstrumentedLedger:
    """A ledger that reports its boundaries: about to begin, about to commit, committed."""

    def __init__(self, ledger: Ledger, points: Points) -> None:
        self._ledger = ledger
        self._points = points

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    @contextmanager
    def transaction(self) -> Generator[Transaction, None, None]:
        self._points.reach("before a transaction")
        with self._ledger.transaction() as tx:
            watched = _Watched(tx)
            yield watched
            label = " + ".join(watched.wrote) or "nothing"
            self._points.reach(f"before the commit of {label}")
        self._points.reach(f"after the commit of {label}")


class _Watched:
    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self.wrote: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)

    @property
    def now(self) -> Any:
        return self._tx.now

    def append(self, draft: Draft) -> LedgerEntry:
        event = draft.content.get("event")
        self.wrote.append(f"{draft.kind} {event}" if event else draft.kind)
        return self._tx.append(draft)

    def put(self, record: Record) -> None:
        self.wrote.append(f"[{record.kind} {record.status}]")
        self._tx.put(record)


def write_whole(file: Path, document: dict[str, Any]) -> None:
    """Written in one step, so that a reader sees all of it or nothing."""
    temporary = file.with_suffix(".new")
    temporary.write_text(json.dumps(document))
    temporary.replace(file)
