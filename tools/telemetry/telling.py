"""What every outside source has in common: it tells one kind of signal and has nothing to say about the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from domain.alert import Change
from domain.bundle import LogLine, Series, Span, Window
from domain.telemetry import SourceCheck

RECENT_S = 3600.0
"""How far back a check looks for the newest line or trace."""


class TellsNothing:
    """Implements Telemetry without a signal; a source overrides what it has."""

    gaps: tuple[str, ...] = ()
    """What could not be read at the last reading, and why."""

    async def series(
        self, window: Window, *, services: Sequence[str] = (), metrics: Sequence[str] = ()
    ) -> list[Series]:
        """None."""
        return []

    async def logs(self, window: Window, *, services: Sequence[str] = (), limit: int = 2000) -> list[LogLine]:
        """None."""
        return []

    async def spans(self, window: Window, *, services: Sequence[str] = (), limit: int = 2000) -> list[Span]:
        """None."""
        return []

    async def changes(self, window: Window) -> list[Change]:
        """None."""
        return []


def checked(what: str, newest: Mapping[str, float], services: Sequence[str], now: float) -> SourceCheck:
    """A check by the newest row of each service (epoch seconds); `what` names source and rows, as in `Loki, lines`."""
    return SourceCheck(
        found=f"{what} of {len(newest)} of {len(services)} services in the last hour",
        newest_age_s=now - max(newest.values()) if newest else None,
        unseen=tuple(name for name in services if name not in newest),
    )
