"""Several sources as one: the embedded store first, others add what it lacks."""

from __future__ import annotations

from collections.abc import Sequence

from domain.alert import Change
from domain.bundle import LogLine, Series, Span, Window
from domain.errors import FirebreakError
from domain.telemetry import Telemetry


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
        gaps = []
        for other in self._others:
            try:
                more = await other.series(window, services=services, metrics=metrics)
            except FirebreakError as error:
                gaps.append("; ".join(error.lines()))
                continue
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
