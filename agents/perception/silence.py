"""Series that fell silent: what reported before and reports nothing during the trouble is itself a signal.

A series that normally reports in a share `p` of its steps stays silent over `n` steps by chance with probability `(1 − p)ⁿ`;
only what is rarer than CHANCE counts. A service that is silent because nobody calls it any more (all its callers are silent too)
explains nothing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from agents.perception.facts import Facts
from agents.perception.points import arrays, inside

CHANCE = 1e-3
LEAST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent:
    """One service: how much of what it normally reports is missing (0–1), and an example."""

    service: str
    share: float
    example: str
    steps: int
    """Reports expected during the trouble for the example."""


def silent(facts: Facts) -> list[Silent]:
    """Services whose regular series stopped while others report on, most complete silence first."""
    gone: dict[str, list[tuple[str, int]]] = defaultdict(list)
    regular: dict[str, int] = defaultdict(int)
    for service, metric, expected, reported in _reports(facts):
        regular[service] += 1
        if reported == 0:
            gone[service].append((metric, expected))
    if not gone or len(gone) > 0.5 * len(regular):  # everything silent is a collector that stopped
        return []
    found = [
        Silent(service=s, share=len(rows) / regular[s], example=rows[0][0], steps=rows[0][1])
        for s, rows in gone.items()
    ]
    quiet = {s.service for s in found if s.share >= 0.5}
    kept = [s for s in found if not _uncalled(facts, s.service, quiet)]
    return sorted(kept, key=lambda s: (-s.share, s.service))


def _uncalled(facts: Facts, service: str, quiet: set[str]) -> bool:
    callers = set(facts.callers(service))
    return bool(callers) and callers <= quiet


def _reports(facts: Facts) -> Iterable[tuple[str, str, int, int]]:
    """(service, metric, reports expected during the trouble, reports seen) of series whose silence would be no chance."""
    windows = facts.windows
    span = windows.abnormal[1] - windows.abnormal[0]
    for series in facts.bundle.series:
        times, _ = arrays(series)
        before = times[inside(times, windows.normal) & ~inside(times, windows.abnormal)]
        if len(before) < LEAST:
            continue
        steps = np.diff(before)
        step = float(np.median(steps))
        present = min(1.0, len(before) * step / (before[-1] - before[0] + step)) if step > 0 else 0.0
        expected = int(span / step) if step > 0 and math.isfinite(span / step) else 0
        if expected >= LEAST and (1 - present) ** expected < CHANCE:
            yield series.service, series.metric, expected, int(inside(times, windows.abnormal).sum())
