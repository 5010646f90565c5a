"""What is risky around a change: its size, its neighbours, who looked at it, when it goes out."""

from __future__ import annotations

import math
from collections.abc import Iterator

from contracts.context import DeploymentContext, FileChange, Level
from contracts.finding import Finding
from contracts.paths import is_product
from contracts.priors import POINTS
from domain.risk import FactorName as F

_SMALL_LINES = 4
"""From here on every doubling counts. Studies of defect prediction find added lines among the strongest signs (Kamei 2013)."""
_PER_DOUBLING = 4.0
_CRITICALITY = {Level.LOW: 0.1, Level.MEDIUM: 0.3, Level.HIGH: 0.7, Level.CRITICAL: 1.0}
_SICK_PERCENT = 1.0
"""A neighbour that fails more often than this is already a danger."""
_DAYTIME = range(8, 17)
_FRIDAY = 4


def around(context: DeploymentContext) -> Iterator[Finding]:
    """Everything that stands in the context and not in the files."""
    code = [c for c in context.changes if is_product(c.file_path)]
    if not code:
        return
    yield from _size(code)
    yield from _topology(context)
    yield from _peak(context)
    yield from _ownership(context)
    yield from _time(context)


def _size(code: list[FileChange]) -> Iterator[Finding]:
    lines, files = sum(c.lines_changed for c in code), len(code)
    points = min(POINTS[F.SIZE], _PER_DOUBLING * math.log2(1 + lines / _SMALL_LINES) + 2 * math.log2(files))
    if points >= 1:
        largest = sorted(code, key=lambda c: -c.lines_changed)[:5]
        reason = f"{lines:,} lines in {files} file{'s' if files > 1 else ''} of code and configuration"
        yield Finding(factor=F.SIZE, points=points, reason=reason, where=[c.file_path for c in largest])


def _topology(context: DeploymentContext) -> Iterator[Finding]:
    share, reasons = 0.0, []
    for neighbour in context.dependencies:
        sick = (neighbour.error_rate_percent or 0) > _SICK_PERCENT
        share = max(share, min(1.0, _CRITICALITY[neighbour.criticality] + (0.2 if sick else 0.0)))
        if neighbour.criticality in (Level.HIGH, Level.CRITICAL) or sick:
            state = f", failing {neighbour.error_rate_percent:g} % of calls" if sick else ""
            reasons.append(f"needs {neighbour.service_name} ({neighbour.criticality.value}{state})")
    if context.dependants:
        share = max(share, min(1.0, 0.2 * len(context.dependants)))
        reasons.append(f"needed by {', '.join(context.dependants[:5])}")
    if share > 0:
        reason = "; ".join(reasons) or f"needs {', '.join(n.service_name for n in context.dependencies[:5])}"
        yield Finding(factor=F.TOPOLOGY, points=POINTS[F.TOPOLOGY] * share, reason=reason)


def _peak(context: DeploymentContext) -> Iterator[Finding]:
    if context.qps and context.peak_qps and context.peak_qps >= 2 * context.qps:
        times = context.peak_qps / context.qps
        points = min(POINTS[F.TRAFFIC], 3 * math.log2(times))
        reason = (
            f"the peak is {times:.1f} times the present traffic ({context.peak_qps:g} over {context.qps:g} requests/s)"
        )
        yield Finding(factor=F.TRAFFIC, points=points, reason=reason)


def _ownership(context: DeploymentContext) -> Iterator[Finding]:
    others = {r for r in context.reviewers if r and r != context.owner}
    missing = [
        w for w, there in (("no owner is named", context.owner), ("nobody else reviewed it", others)) if not there
    ]
    if missing:
        points = POINTS[F.OWNERSHIP] * len(missing) / 2
        yield Finding(factor=F.OWNERSHIP, points=points, reason=" and ".join(missing))


def _time(context: DeploymentContext) -> Iterator[Finding]:
    at = context.planned_at
    if at is None:
        return
    late = at.weekday() > _FRIDAY or (at.weekday() == _FRIDAY and at.hour >= 12)
    if late or at.hour not in _DAYTIME:
        when = f"{at:%A %H:%M} UTC"
        points = POINTS[F.TIME] * (1.0 if late else 0.6)
        yield Finding(factor=F.TIME, points=points, reason=f"planned for {when}: fewer people are there to notice")
