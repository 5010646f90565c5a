"""Where signals are read from: the embedded store or a real Prometheus, through one port."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from domain.alert import Change
from domain.bundle import LogLine, Series, Span, Window


class Telemetry(Protocol):
    """Read-only access to what was observed. Windows are epoch seconds, inclusive."""

    async def series(
        self, window: Window, *, services: Sequence[str] = (), metrics: Sequence[str] = ()
    ) -> list[Series]:
        """Metric series in the window; empty filters mean all. Counters come as per-second rates."""
        ...

    async def logs(self, window: Window, *, services: Sequence[str] = (), limit: int = 2000) -> list[LogLine]:
        """Newest `limit` lines in the window, ascending by time."""
        ...

    async def spans(self, window: Window, *, services: Sequence[str] = (), limit: int = 2000) -> list[Span]:
        """Newest `limit` spans in the window, ascending by start."""
        ...

    async def changes(self, window: Window) -> list[Change]:
        """Deploys, configuration edits, migrations and flags in the window, ascending by time."""
        ...
