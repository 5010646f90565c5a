"""The embedded store behind the Telemetry port: what was written sparsely is told densely."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from math import ceil
from pathlib import Path
from typing import Any

from domain.alert import Change
from domain.bundle import LogLine, Series, Span, Window
from tools.telemetry.roles import plain
from tools.telemetry.sampling import SEVERE, SLICES, thinned, thinned_spans
from tools.telemetry.sqlite import KEEPALIVE_S, Reader, millis

MAX_POINTS = 900
"""Points per series; longer windows get a coarser step."""
_TICK_MS = 1000
_SPAN_FIELDS = {f.name for f in fields(Span)}


class SqliteTelemetry:
    """Reads the collector's store from any process; before there is one it has nothing to tell."""

    def __init__(self, path: Path) -> None:
        self.reader = Reader(path)

    async def series(
        self, window: Window, *, services: Sequence[str] = (), metrics: Sequence[str] = ()
    ) -> list[Series]:
        """See the port. `metrics` names are exact, or without labels to mean all of that name."""
        return await asyncio.to_thread(self._series, window, frozenset(services), frozenset(metrics))

    async def logs(self, window: Window, *, services: Sequence[str] = (), limit: int = 2000) -> list[LogLine]:
        """See the port."""
        return await asyncio.to_thread(self._logs, window, tuple(services), limit)

    async def spans(self, window: Window, *, services: Sequence[str] = (), limit: int = 2000) -> list[Span]:
        """See the port."""
        return await asyncio.to_thread(self._spans, window, tuple(services), limit)

    async def changes(self, window: Window) -> list[Change]:
        """See the port."""
        rows = await asyncio.to_thread(
            self.reader.query, "SELECT body FROM changes WHERE t BETWEEN ? AND ? ORDER BY t, id", _bounds(window)
        )
        return [Change.model_validate_json(row[0]) for row in rows]

    async def states(self, window: Window, *, services: Sequence[str] = ()) -> list[tuple[float, str, dict[str, Any]]]:
        """Changes of process states in the window: time, service, what its supervisor said."""
        condition, names = _among(services)
        rows = await asyncio.to_thread(
            self.reader.query,
            f"SELECT t, service, body FROM states WHERE t BETWEEN ? AND ?{condition} ORDER BY id",  # noqa: S608
            (*_bounds(window), *names),
        )
        return [(row[0] / 1000, row[1], json.loads(row[2])) for row in rows]

    async def heartbeat(self) -> float | None:
        """When the collector last ticked, epoch seconds; None when it never did."""
        rows = await asyncio.to_thread(self.reader.query, "SELECT MAX(last) FROM runs")
        return rows[0][0] / 1000 if rows and rows[0][0] is not None else None

    def _series(self, window: Window, services: frozenset[str], metrics: frozenset[str]) -> list[Series]:
        names = {
            row[0]: (row[1], row[2])
            for row in self.reader.query("SELECT id, service, metric FROM series")
            if (not services or row[1] in services) and (not metrics or row[2] in metrics or plain(row[2]) in metrics)
        }
        start, end = _bounds(window)
        rows = self.reader.query(
            "SELECT series, t, value FROM samples WHERE t BETWEEN ? AND ? ORDER BY t",
            (start - millis(KEEPALIVE_S) - 5 * _TICK_MS, end),
        )
        runs = self.reader.query("SELECT started, last FROM runs ORDER BY started")
        found: dict[int, list[tuple[int, float | None]]] = {}
        for identity, t, value in rows:
            if identity in names:
                found.setdefault(identity, []).append((t, value))
        step = _TICK_MS * max(1, ceil((end - start) / _TICK_MS / MAX_POINTS))
        dense = ((names[i], _dense(points, runs, start, end, step)) for i, points in found.items())
        return sorted(
            (
                Series(service=name[0], metric=name[1], times=tuple(times), values=tuple(values))
                for name, (times, values) in dense
                if times
            ),
            key=lambda s: (s.service, s.metric),
        )

    def _logs(self, window: Window, services: tuple[str, ...], limit: int) -> list[LogLine]:
        condition, names = _among(services)
        columns = "t, service, message, level, trace_id, span_id, attributes"
        where = f"FROM logs WHERE t BETWEEN ? AND ?{condition}"
        share = f"level IN {tuple(sorted(SEVERE))}, {_slice(window)}"
        rows = self.reader.query(_sample(columns, where, share), (*_bounds(window), *names, limit))
        lines = [
            LogLine(
                time=r[0] / 1000,
                service=r[1],
                message=r[2],
                level=r[3],
                trace_id=r[4],
                span_id=r[5],
                attributes=json.loads(r[6]),
            )
            for r in rows
        ]
        return thinned(lines, limit)

    def _spans(self, window: Window, services: tuple[str, ...], limit: int) -> list[Span]:
        condition, names = _among(services)
        where = f"FROM spans WHERE t BETWEEN ? AND ?{condition}"
        share = _slice(window)
        rows = self.reader.query(_sample("body", where, share), (*_bounds(window), *names, limit))
        return thinned_spans([Span(**json.loads(row[0])) for row in rows], limit)


def _sample(columns: str, where: str, share: str) -> str:
    """SQL for the newest rows of each share of a table, ascending; the last parameter says how many."""
    numbered = f"SELECT *, ROW_NUMBER() OVER (PARTITION BY {share} ORDER BY t DESC, id DESC) AS place {where}"
    return f"SELECT {columns} FROM ({numbered}) WHERE place <= ? ORDER BY t, id"  # noqa: S608


def _slice(window: Window) -> str:
    """SQL for the number of a row's part of the window."""
    start, end = _bounds(window)
    return f"(t - {start}) * {SLICES} / {max(1, end - start + 1)}"


def _bounds(window: Window) -> tuple[int, int]:
    return millis(window[0]), millis(window[1])


def _among(services: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    """An SQL condition with placeholders only, and what fills them."""
    names = tuple(services)
    return (f" AND service IN ({','.join('?' * len(names))})" if names else ""), names


def _dense(
    points: list[tuple[int, float | None]], runs: list[tuple[Any, ...]], start: int, end: int, step: int
) -> tuple[list[float], list[float]]:
    """Values on the grid start, start + step … end; a value holds until the next one, while the collector lives."""
    times: list[float] = []
    values: list[float] = []
    run = 0
    for position, (t, value) in enumerate(points):
        if value is None:
            continue
        while run + 1 < len(runs) and runs[run + 1][0] <= t:
            run += 1
        alive = max(t, runs[run][1]) if runs else t
        until = points[position + 1][0] if position + 1 < len(points) else end + 1
        last = min(until - 1, alive, end)
        first = t if t >= start else start
        grid = start + ceil((first - start) / step) * step
        for moment in range(grid, last + 1, step):
            times.append(moment / 1000)
            values.append(value)
    return times, values
