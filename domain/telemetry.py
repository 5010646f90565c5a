"""Where signals are read from: the embedded store, Prometheus, Loki, journald, Docker, Tempo, Jaeger; all through one port."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from domain.alert import Change
from domain.bundle import LogLine, Series, Span, Window

Kind = Literal["metrics", "logs", "spans"]
"""What a source can tell."""


class Telemetry(Protocol):
    """Read-only access to what was observed. Windows are epoch seconds, inclusive; text is redacted."""

    async def series(
        self, window: Window, *, services: Sequence[str] = (), metrics: Sequence[str] = ()
    ) -> list[Series]:
        """Metric series in the window; empty filters mean all. Counters come as per-second rates."""
        ...

    async def logs(self, window: Window, *, services: Sequence[str] = (), limit: int = 2000) -> list[LogLine]:
        """At most `limit` lines of the window, ascending by time. Of more, rare patterns are kept whole and frequent ones
        are thinned evenly over the window."""
        ...

    async def spans(self, window: Window, *, services: Sequence[str] = (), limit: int = 2000) -> list[Span]:
        """At most about `limit` spans of the window, ascending by start; of more, whole traces evenly over the window."""
        ...

    async def changes(self, window: Window) -> list[Change]:
        """Deploys, configuration edits, migrations and flags in the window, ascending by time."""
        ...


@runtime_checkable
class Telling(Protocol):
    """A source that answers in part and tells the rest."""

    gaps: tuple[str, ...]
    """What it could not read at its last reading, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCheck:
    """What a source said when it was tried. That it cannot be asked at all is an error instead."""

    found: str
    """In words: version, how much there is."""
    newest_age_s: float | None = None
    """Seconds since its newest row; None: nothing recent."""
    unseen: tuple[str, ...] = ()
    """Services of which it has nothing recent."""
    roles: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """(service, metric roles that were recognised); only from sources of metrics."""


class Checkable(Protocol):
    """A source that `firebreak doctor` can try."""

    async def check(self, now: float) -> SourceCheck:
        """Ask it for the last minutes before `now`. Raises AuthError, EvidenceError or ToolError in words for people."""
        ...
