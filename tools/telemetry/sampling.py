"""Fewer lines and spans that still tell the same story: rare patterns stay whole, frequent ones are thinned evenly. Pure.

What is compared before and after an onset is each pattern with itself, so thinning one pattern evenly over time keeps the
comparison, and a flood of one pattern costs no other pattern a line.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from typing import Any, TypeVar

from domain.bundle import LogLine, Span, Window

T = TypeVar("T")
SLICES = 8
"""Parts of a window that are asked one by one when a source holds more than may be read."""
SEVERE = frozenset({"ERROR", "CRITICAL", "WARNING"})
_VARIABLE = re.compile(r"\b[0-9a-fA-F]{8,}\b|\d+")
_COMPARED = 160
"""Characters of a message that make its pattern."""

Read = Callable[[Window, int, bool], Awaitable[Sequence[LogLine]]]
"""(window, most lines, only severe ones) → the newest lines of the window."""


async def read_lines(read: Read, window: Window, limit: int) -> list[LogLine]:
    """All lines when there are at most `limit`; else the newest of each slice, severe ones asked for by themselves.

    Asks a source at most 1 + 2·SLICES times, whatever it holds.
    """
    newest = await read(window, limit, False)
    if len(newest) < limit:
        return sorted(newest, key=_time)
    share = max(1, limit // SLICES)
    found = list(newest[: limit // 2])
    for part in slices(window):
        found += await read(part, share, True)
        found += await read(part, share, False)
    return thinned(unique(found), limit)


def slices(window: Window, count: int = SLICES) -> list[Window]:
    """The window in equal parts."""
    step = (window[1] - window[0]) / count
    return [(window[0] + i * step, window[0] + (i + 1) * step) for i in range(count)]


def unique(lines: Iterable[LogLine]) -> list[LogLine]:
    """Lines ascending by time, each once: two sources, or two slices, may tell the same one."""
    found: dict[Hashable, LogLine] = {}
    for line in lines:
        found.setdefault((line.service, round(line.time, 3), line.message), line)
    return sorted(found.values(), key=_time)


def thinned(lines: Sequence[LogLine], limit: int) -> list[LogLine]:
    """At most `limit` of the lines (ascending by time): every pattern gets the same share at most."""
    if len(lines) <= limit:
        return list(lines)
    groups: dict[Hashable, list[LogLine]] = defaultdict(list)
    for line in lines:
        groups[pattern(line)].append(line)
    ordered = sorted(groups.values(), key=lambda group: (group[0].level not in SEVERE, len(group)))
    return sorted(_shared(ordered, limit), key=_time)


def thinned_spans(spans: Sequence[Span], limit: int) -> list[Span]:
    """Whole traces, evenly over time, until about `limit` spans are kept; ascending by start."""
    if len(spans) <= limit:
        return list(spans)
    traces: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        traces[span.trace_id].append(span)
    kept = evenly(list(traces.values()), max(1, limit * len(traces) // len(spans)))
    return sorted((span for trace in kept for span in trace), key=lambda span: span.start)


def pattern(line: LogLine) -> Hashable:
    """Service, level and message without what varies (numbers, hexadecimal ids)."""
    return line.service, line.level, _VARIABLE.sub("#", line.message[:_COMPARED])


def evenly(rows: Sequence[T], count: int) -> list[T]:
    """`count` rows at equal distances, the last one among them."""
    if len(rows) <= count:
        return list(rows)
    return [rows[(i + 1) * len(rows) // count - 1] for i in range(count)]


def _shared(groups: Sequence[list[LogLine]], limit: int) -> list[LogLine]:
    """Smallest groups first, so that what they do not need is the others'. More groups than lines: the severe and rare ones."""
    kept: list[LogLine] = []
    by_size = sorted(groups[:limit], key=len)
    for position, group in enumerate(by_size):
        kept += evenly(group, (limit - len(kept)) // (len(by_size) - position))
    return kept


def _time(line: Any) -> float:
    return float(line.time)
