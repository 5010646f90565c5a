"""Fault-free windows out of labelled cases: the normal time, questioned as if it were the trouble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agents.perception.windows import find_windows
from domain.bundle import Bundle, Window

DERIVED = 0.7
"""Share of the normal time that is surely before the trouble where nobody told the windows (alerts come late)."""


def fault_free(bundle: Bundle, part: float = 1.0) -> Bundle | None:
    """A window without a fault, as long as the trouble was, beside the normal time before it; None where there is too little.

    `part` (0–1): how far into the normal time the window ends. Changes and extracted signals speak of the trouble and are left out;
    the alert stays: somebody asks.
    """
    w = find_windows(bundle)
    end = w.normal[0] + min(part, 1.0 if w.given else DERIVED) * (w.normal[1] - w.normal[0])
    length = min(w.abnormal[1] - w.abnormal[0], (end - w.normal[0]) / 3)
    if length <= 0 or not bundle.series:
        return None
    normal, abnormal = (w.normal[0], end - length - 1e-3), (end - length, end)
    alert = bundle.alert and replace(bundle.alert, started_at=None)
    kept = replace(
        bundle,
        alert=alert,
        normal=normal,
        abnormal=abnormal,
        onset=abnormal[0],
        signals=(),
        changes=(),
        changes_asked=False,
    )
    return replace(
        between(kept, [normal, abnormal]),
        id=f"{bundle.id}:fault-free",
        logs=tuple(x for x in bundle.logs if normal[0] <= x.time <= end),
        spans=tuple(x for x in bundle.spans if normal[0] <= x.start <= end),
    )


def between(bundle: Bundle, windows: Sequence[Window]) -> Bundle:
    """Only the points of metrics that lie in one of the windows."""
    series = []
    for s in bundle.series:
        kept = [i for i, t in enumerate(s.times) if any(a <= t <= b for a, b in windows)]
        series.append(replace(s, times=tuple(s.times[i] for i in kept), values=tuple(s.values[i] for i in kept)))
    return replace(bundle, series=tuple(series))
