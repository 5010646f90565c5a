"""Several sources as one: the embedded store first, others add what it lacks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from domain.alert import Change
from domain.bundle import LogLine, Origin, Series, Span, Window
from domain.errors import FirebreakError
from domain.telemetry import Kind, Telemetry, Telling
from tools.telemetry.sampling import thinned, thinned_spans, unique

T = TypeVar("T", Series, LogLine, Span)
FROM = "from"
"""Attribute of a line or span that names the source it was read from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One further source: its name on pages and in records, and the kinds of signals that it is asked for."""

    name: str
    telemetry: Telemetry
    tells: tuple[Kind, ...]


class CombinedTelemetry:
    """The first source must answer; what another one cannot say is kept in `origins` and never stops the reading."""

    def __init__(self, first: Telemetry, *others: Source, name: str = "embedded") -> None:
        self._first = Source(name=name, telemetry=first, tells=("metrics", "logs", "spans"))
        self._others = others
        self._origins: dict[tuple[Kind, str], Origin] = {}

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Who was asked for what at the last reading of each kind, and what could not be told."""
        return tuple(self._origins.values())

    @property
    def gaps(self) -> tuple[str, ...]:
        """Why sources had nothing, or not everything, to say at the last reading."""
        return tuple(o.gap for o in self.origins if o.gap)

    async def series(
        self, window: Window, *, services: Sequence[str] = (), metrics: Sequence[str] = ()
    ) -> list[Series]:
        """See the port; of two series of one name the first source's is kept."""

        async def read(source: Telemetry) -> list[Series]:
            return await source.series(window, services=services, metrics=metrics)

        found: dict[tuple[str, str], Series] = {}
        for one in await self._everybody("metrics", window, read):
            found.setdefault((one.service, one.metric), one)
        return [found[key] for key in sorted(found)]

    async def logs(self, window: Window, *, services: Sequence[str] = (), limit: int = 2000) -> list[LogLine]:
        """See the port; a line that two sources tell counts once."""

        async def read(source: Telemetry) -> list[LogLine]:
            return await source.logs(window, services=services, limit=limit)

        return thinned(unique(await self._everybody("logs", window, read)), limit)

    async def spans(self, window: Window, *, services: Sequence[str] = (), limit: int = 2000) -> list[Span]:
        """See the port; a span that two sources tell counts once."""

        async def read(source: Telemetry) -> list[Span]:
            return await source.spans(window, services=services, limit=limit)

        found: dict[tuple[str, str], Span] = {}
        for span in await self._everybody("spans", window, read):
            found.setdefault((span.trace_id, span.span_id), span)
        return thinned_spans(sorted(found.values(), key=lambda span: span.start), limit)

    async def changes(self, window: Window) -> list[Change]:
        """See the port; only the first source knows any."""
        return await self._first.telemetry.changes(window)

    async def _everybody(self, kind: Kind, window: Window, read: Callable[[Telemetry], Awaitable[list[T]]]) -> list[T]:
        """All rows of one kind, the first source's first; each further source's rows carry its name."""
        asked = [source for source in self._others if kind in source.tells]
        mine, theirs = await asyncio.gather(
            read(self._first.telemetry), asyncio.gather(*(_answer(source.telemetry, read) for source in asked))
        )
        self._origins[kind, self._first.name] = Origin(
            source=self._first.name, kind=kind, window=window, rows=len(mine)
        )
        rows = list(mine)
        for source, answer in zip(asked, theirs, strict=True):
            found, gap = answer
            self._origins[kind, source.name] = Origin(
                source=source.name, kind=kind, window=window, rows=len(found), gap=gap
            )
            rows += [_from(row, source.name) for row in found]
        return rows


async def _answer(source: Telemetry, read: Callable[[Telemetry], Awaitable[list[T]]]) -> tuple[list[T], str]:
    """A further source's rows, and what it could not tell."""
    try:
        found = await read(source)
    except FirebreakError as error:
        return [], "; ".join(error.lines())
    return found, "; ".join(source.gaps) if isinstance(source, Telling) else ""


def _from(row: Any, name: str) -> Any:
    return row if isinstance(row, Series) else replace(row, attributes={**row.attributes, FROM: name})
