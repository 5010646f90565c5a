"""How much of each objective's error budget is spent: counted each second, written each ten, shown each two."""

from __future__ import annotations

from dataclasses import asdict

from tools.telemetry.book import AlertBook
from tools.telemetry.sli import SLI_FACT, Recent
from tools.telemetry.sqlite import TelemetryWriter

WRITE_EVERY = 10
SHOW_EVERY = 2
"""In ticks."""


class Budgets:
    """Seconds spent since they were last written, and what was left then."""

    def __init__(self, book: AlertBook) -> None:
        self._book = book
        self._spent: dict[str, tuple[float, float]] = {}
        self._left: dict[str, float | None] = {}

    def write(self, writer: TelemetryWriter, recent: Recent, now: float, tick: int) -> None:
        """Count this second; write and show when it is time."""
        for key, (bad, total) in self._book.spent_now(recent, now).items():
            before = self._spent.get(key, (0.0, 0.0))
            self._spent[key] = (before[0] + bad, before[1] + total)
        if tick % WRITE_EVERY == 0:
            self._count(writer, now)
        if tick % SHOW_EVERY == 0:
            rows = [asdict(row) for row in self._book.readings(recent, now, self._left)]
            writer.keep_fact(SLI_FACT, rows, now)

    def _count(self, writer: TelemetryWriter, now: float) -> None:
        for key, (bad, total) in self._spent.items():
            writer.count(key, now, bad=bad, total=total)
        self._spent = {}
        for objective in self._book.objectives:
            bad, total = writer.spent(objective.key, now, objective.window_s)
            allowed = objective.budget * objective.window_s
            self._left[objective.key] = round(1.0 - bad / allowed, 4) if total else None
