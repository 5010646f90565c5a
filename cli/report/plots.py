"""Before and after of one series as SVG: the normal window left, the trouble right, one scale. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from agents.perception.contrast import Contrast
from agents.perception.windows import Windows
from cli.report.scale import Scale, clock, label, number, thinned, ticks
from domain.bundle import Series, Window

WIDTH, HEIGHT = 400, 150
_LEFT, _RIGHT, _TOP, _BOTTOM, _GAP = 42, 4, 8, 22, 8
MOST = 8
NOTICEABLE = 3.0
"""Robust deviations from which a series is drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A drawing with what it shows in words."""

    service: str
    metric: str
    before: str
    after: str
    deviation: str
    svg: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Panel:
    window: Window
    name: str
    x: Scale


def suspicious(found: Sequence[Contrast], suspects: Sequence[str]) -> list[Contrast]:
    """The series worth a drawing: of each suspect in turn the farthest from normal, then anybody's."""
    moved = sorted((c for c in found if abs(c.z) >= NOTICEABLE or c.reach >= NOTICEABLE), key=lambda c: -_far(c))
    chosen: list[Contrast] = []
    for service in dict.fromkeys(suspects):
        chosen += [c for c in moved if c.service == service][:2]
    chosen += [c for c in moved if c not in chosen]
    return chosen[:MOST]


def _far(c: Contrast) -> float:
    return max(abs(c.z), c.reach)


def plot(series: Series, contrast: Contrast, windows: Windows) -> Plot:
    """One series, its level before dashed across both halves."""
    return Plot(
        service=series.service,
        metric=series.metric,
        before=number(contrast.before),
        after=number(contrast.after),
        deviation=_deviation(contrast.z),
        svg=_svg(series, contrast, windows),
    )


def _deviation(z: float) -> str:
    sign = "+" if z >= 0 else "−"
    return f"{sign}{abs(z):.1f} σ" if abs(z) < 1000 else f"beyond {sign}1000 σ"


def _svg(series: Series, contrast: Contrast, windows: Windows) -> str:
    panels = _panels(windows)
    halves = [(p, _inside(series, p.window)) for p in panels]
    values = [v for _, points in halves for _, v in points] or [0.0]
    low, high = min(*values, contrast.before), max(*values, contrast.before)
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    floor = low - room if low < 0 or low - room > 0 else 0.0
    y = Scale(low=floor, high=high + room, start=HEIGHT - _BOTTOM, end=_TOP)
    said = f"{series.metric} of {series.service}: {number(contrast.before)} before, {number(contrast.after)} during"
    body = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label(said)}">']
    for panel, points in halves:
        body += _frame(panel, y, windows.onset)
        body.append(_line(points, panel.x, y, "line-bad" if panel.name == "during" else "line-ok"))
    level = y(contrast.before)
    body.append(f'<line class="level" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{level}" y2="{level}"/>')
    body += [
        f'<text class="tick" x="{_LEFT - 6}" y="{y(t) + 3.5}" text-anchor="end">{number(t)}</text>'
        for t in ticks(floor, high + room)
    ]
    return "".join([*body, "</svg>"])


def _panels(windows: Windows) -> list[_Panel]:
    """Two halves of the same width; windows of any distance and any order, before left."""
    width = (WIDTH - _LEFT - _RIGHT - _GAP) / 2
    middle = _LEFT + width + _GAP
    lead = min(windows.onset, windows.abnormal[0]) if _near(windows) else windows.abnormal[0]
    during = (lead, windows.abnormal[1])
    return [
        _Panel(window=windows.normal, name="before", x=_x(windows.normal, _LEFT, _LEFT + width)),
        _Panel(window=during, name="during", x=_x(during, middle, middle + width)),
    ]


def _near(windows: Windows) -> bool:
    """Whether the onset lies so close to the abnormal window that both fit one picture."""
    length = windows.abnormal[1] - windows.abnormal[0]
    return windows.abnormal[0] - windows.onset <= length


def _x(window: Window, start: float, end: float) -> Scale:
    return Scale(low=window[0], high=window[1], start=start, end=end)


def _inside(series: Series, window: Window) -> list[tuple[float, float]]:
    points = [(t, v) for t, v in zip(series.times, series.values, strict=True) if window[0] <= t <= window[1]]
    return thinned([t for t, _ in points], [v for _, v in points])


def _frame(panel: _Panel, y: Scale, onset: float) -> list[str]:
    x, top, bottom = panel.x, y.end, y.start
    parts = [
        f'<rect class="pane {panel.name}" x="{x.start}" y="{top}" width="{x.end - x.start}" height="{bottom - top}"/>',
        f'<text class="tick" x="{x.start}" y="{HEIGHT - 8}">{clock(panel.window[0])}</text>',
        f'<text class="tick" x="{x.end}" y="{HEIGHT - 8}" text-anchor="end">{clock(panel.window[1])}</text>',
        f'<text class="tick strong" x="{(x.start + x.end) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{panel.name}</text>',
    ]
    if panel.name == "during" and panel.window[0] < onset < panel.window[1]:
        parts.append(f'<line class="onset" x1="{x(onset)}" x2="{x(onset)}" y1="{top}" y2="{bottom}"/>')
    return parts


def _line(points: Sequence[tuple[float, float]], x: Scale, y: Scale, kind: str) -> str:
    """A path that breaks where nothing was measured for much longer than usual; single points are dots."""
    if not points:
        return f'<text class="tick" x="{(x.start + x.end) / 2}" y="{(y.start + y.end) / 2}" text-anchor="middle">no points</text>'
    pauses = [b[0] - a[0] for a, b in pairwise(points)]
    longest = 6 * statistics.median(pauses) if pauses else 0.0
    path = f"M{x(points[0][0])} {y(points[0][1])}"
    for (earlier, _), (t, v) in pairwise(points):
        path += f"{'M' if t - earlier > longest else 'L'}{x(t)} {y(v)}"
    if len(points) == 1:
        path += "h0.1"
    return f'<path class="{kind}" d="{path}"/>'
