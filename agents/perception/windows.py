"""When it was normal and when it was not: given windows, else found from the alert, the onset or the data."""

from __future__ import annotations

import math
from dataclasses import dataclass

from agents.perception.onset import stretch
from domain.bundle import Bundle, Window

LEAD_S = 60.0
"""Seconds before a known onset that may already belong to the fault (alerts fire late)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Two windows of epoch seconds; `given` says whether the bundle told them, `onset` when the trouble began."""

    normal: Window
    abnormal: Window
    onset: float
    given: bool
    told: bool = True
    """False where the onset is a guess from the data."""
    step: float = 0.0
    """Resolution of the metrics in seconds: how far a window that metrics gave may be off."""

    def troubled(self, time: float) -> bool:
        """Does an event (a line, a span) at this time belong to the trouble?"""
        return min(self.onset, self.abnormal[0]) - 10 <= time <= self.abnormal[1] + self.step


def find_windows(bundle: Bundle) -> Windows:
    """Windows of a bundle. Missing ones are derived; an empty bundle gives empty windows at zero."""
    first, last = _extent(bundle)
    told = _onset(bundle, first)
    found = stretch(bundle) if told is None and not bundle.readings else None
    onset = told if told is not None else found[0] if found else first + (last - first) * 0.75
    abnormal = bundle.abnormal or found or (min(onset, last), last)
    normal = bundle.normal or _usual((first, last), min(onset, abnormal[0]), abnormal)
    return Windows(
        normal=_ordered(normal),
        abnormal=_ordered(abnormal),
        onset=onset,
        given=bool(bundle.normal and bundle.abnormal),
        told=told is not None,
        step=_step(bundle),
    )


def _usual(whole: Window, onset: float, abnormal: Window) -> Window:
    """The time before the trouble; all of it (the trouble itself is left out when comparing) where little lies before."""
    before = onset - whole[0]
    after = whole[1] - abnormal[1]
    return whole if after > 0 and before < min(abnormal[1] - abnormal[0], after) else (whole[0], max(whole[0], onset))


def _step(bundle: Bundle) -> float:
    steps = [b - a for s in bundle.series[:50] for a, b in zip(s.times[:20], s.times[1:20], strict=False) if b > a]
    return min(60.0, sorted(steps)[len(steps) // 2]) if steps else 0.0


def _ordered(window: Window) -> Window:
    return window if window[0] <= window[1] else (window[1], window[0])


def _onset(bundle: Bundle, first: float) -> float | None:
    if bundle.onset is not None:
        return bundle.onset
    if bundle.abnormal is not None:
        return min(bundle.abnormal)
    started = bundle.alert.started_at if bundle.alert else None
    if started is not None and math.isfinite(started):
        return started - LEAD_S if started - LEAD_S > first else started
    return None


def _extent(bundle: Bundle) -> Window:
    times: list[float] = []
    for series in bundle.series:
        if series.times:
            times += [min(series.times), max(series.times)]
    times += [line.time for line in bundle.logs]
    times += [span.start for span in bundle.spans]
    times += [reading.time for reading in bundle.readings]
    times += [change.time.timestamp() for change in bundle.changes] if not times else []
    finite = [t for t in times if math.isfinite(t)]
    return (min(finite), max(finite)) if finite else (0.0, 0.0)
