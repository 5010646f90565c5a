"""Several sources as one: the embedded store first, others add what it lacks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from domain.alert import Change
from domain.bundle import LogLine, Series, Span, Window
from domain.errors import FirebreakError
from domain.telemetry import Telemetry


@runtime_checkable
class Telling(Protocol):
    """A source that answers in part and tells the rest."""

    gaps: tuple[str, ...]
    """What it could not read at the last reading of series, and why."""


class CombinedTelemetry:
    """The first source must answer; what another one cannot say is kept in `gaps` and never stops the reading."""

    def __init__(self, first: Telemetry, *others: Telemetry) -> None:
        self._first, self._others = first, others
        self.gaps: tuple[str, ...] = ()
        """Why a source had nothing to say at the last reading of series."""

    async def series(
        self, window: Window, *, services: Sequence[str] = (), metrics: Sequence[str] = ()
    ) -> list[Series]:
        """See the port; of two series of one name the first source's is kept."""
        found = {(s.service, s.metric): s for s in await self._first.series(window, services=services, metrics=metrics)}
        asked = (_read(other, window, services, metrics) for other in self._others)
        gaps: list[str] = []
        for more, missing in await asyncio.gather(*asked):
            gaps += missing
            for one in more:
                found.setdefault((one.service, one.metric), one)
        self.gaps = tuple(gaps)
        return [found[key] for key in sorted(found)]

    async def logs(self, window: Window, *, services: Sequence[str] = (), limit: int = 2000) -> list[LogLine]:
        """See the port."""
        return await self._first.logs(window, services=services, limit=limit)

    async def spans(self, window: Window, *, services: Sequence[str] = (), limit: int = 2000) -> list[Span]:
        """See the port."""
        return await self._first.spans(window, services=services, limit=limit)

    async def changes(self, window: Window) -> list[Change]:
        """See the port."""
        return await self._first.changes(window)


async def _read(
    source: Telemetry, window: Window, services: Sequence[str], metrics: Sequence[str]
) -> tuple[list[Series], Sequence[str]]:
    """A further source's series, and what it could not tell."""
    try:
        found = await source.series(window, services=services, metrics=metrics)
    except FirebreakError as error:
        return [], ["; ".join(error.lines())]
    return found, source.gaps if isinstance(source, Telling) else ()
