"""Series that fell silent: what reported before and reports nothing during the trouble is itself a signal.

A series that usually misses a share `q` of its steps stays silent over `n` steps by chance with probability `qⁿ`; only what is
rarer than CHANCE counts. `q` of a short history leans on what all series miss (as if one more step had been watched), and `n` is
what others of the same pace reported meanwhile. A service that is silent because nobody calls it any more (all its callers are
silent too) explains nothing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from agents.perception.facts import Facts
from agents.perception.points import arrays, inside
from agents.perception.roles import Role, role_of
from agents.perception.windows import Windows
from domain.bundle import Series, Window

CHANCE = 1e-3
BEYOND_CHANCE = 1e-8
"""Chance from which on nobody doubts that a silence is none; between CHANCE and it, belief grows with the logarithm."""
LEAST = 3
"""Reports before the trouble that tell a pace."""
MOSTLY = 0.6
"""Share of the trouble that a silence must last: it may begin a little late or be mended before the end."""
LONG = 6
"""Steps from which on a pause is no hiccup."""
FEWEST = 2
"""Reports that must be missing: one is easily late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent:
    """One service: how much of what it normally reports is missing (0–1), and an example."""

    service: str
    share: float
    example: str
    steps: int
    """Reports expected during the trouble for the example."""
    before: int
    """Reports seen before it."""
    sure: float
    """How far from chance the silence of the example is, 0–1."""


def silent(facts: Facts) -> list[Silent]:
    """Services whose regular series stopped while others report on, most complete silence first."""
    gone: dict[str, list[_Due]] = defaultdict(list)
    regular: dict[str, int] = defaultdict(int)
    for due in _regular(facts):
        regular[due.heard.service] += 1
        if due.heard.during == 0:
            gone[due.heard.service].append(due)
    if not gone or len(gone) > 0.5 * len(regular):  # everything silent is a collector that stopped
        return []
    found = [_silent(service, rows, regular[service]) for service, rows in gone.items()]
    quiet = {s.service for s in found if s.share >= 0.5}
    kept = [s for s in found if not _uncalled(facts, s.service, quiet)]
    return sorted(kept, key=lambda s: (-s.share, s.service))


def _silent(service: str, rows: Sequence[_Due], regular: int) -> Silent:
    """A service's silent series, the one farthest from chance as the example."""
    clearest = min(rows, key=lambda due: due.log_chance)
    return Silent(
        service=service,
        share=len(rows) / regular,
        example=clearest.heard.metric,
        steps=clearest.expected,
        before=clearest.heard.before,
        sure=min(1.0, clearest.log_chance / math.log(BEYOND_CHANCE)),
    )


def _uncalled(facts: Facts, service: str, quiet: set[str]) -> bool:
    callers = set(facts.callers(service))
    return bool(callers) and callers <= quiet


MOST = 1e9
"""No more steps are counted: those of times that are no times have no end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """One series: its usual step in seconds, its reports before and how many were due then, its reports during the trouble."""

    service: str
    metric: str
    step: float
    before: int
    due: int
    during: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    """A series that should have reported: how often during the trouble, and how likely a silence that long is (logarithm)."""

    heard: _Heard
    expected: int
    log_chance: float


def _regular(facts: Facts) -> Iterable[_Due]:
    """Series whose silence would be no chance. That errors are not counted any more is no silence: a new process has none yet."""
    spoken = (s for s in facts.bundle.series if role_of(s.metric) is not Role.ERRORS)
    heard = [h for h in (_heard(s, facts.windows) for s in spoken) if h is not None]
    missed = (0.5 + sum(h.due - h.before for h in heard)) / (1 + sum(h.due for h in heard))
    span = facts.windows.abnormal[1] - facts.windows.abnormal[0]
    others = _by_step(heard)
    for h in heard:
        expected = max(int(min(span / h.step, MOST)), others.get(_pace(h.step), 0))
        log_chance = expected * math.log((h.due - h.before + missed) / (h.due + 1))
        if expected >= FEWEST and log_chance < math.log(CHANCE):
            yield _Due(heard=h, expected=expected, log_chance=log_chance)


def _heard(series: Series, windows: Windows) -> _Heard | None:
    times, _ = arrays(series)
    before = times[inside(times, windows.normal) & ~inside(times, windows.abnormal)]
    if len(before) < LEAST:
        return None
    with np.errstate(over="ignore", invalid="ignore"):  # times that are no times
        step = float(np.median(np.diff(before)))
        due = float((before[-1] - before[0]) / step) if step > 0 else math.inf
    if not math.isfinite(due):
        return None
    during = reports(times, windows.abnormal, step)
    return _Heard(
        service=series.service, metric=series.metric, step=step, before=len(before),
        due=max(len(before), 1 + round(due)), during=during,
    )  # fmt: skip


def reports(times: np.ndarray, window: Window, step: float) -> int:
    """How many there were; none where a long pause between them (or to the window's ends) is most of the window."""
    during = times[inside(times, window)]
    pause = float(np.diff([window[0], *during, window[1]]).max())
    return 0 if pause >= max(MOSTLY * (window[1] - window[0]), LONG * step) else len(during)


def _by_step(heard: Iterable[_Heard]) -> dict[int, int]:
    """Pace → reports that most series of that pace, if not silent, gave during the trouble."""
    found: dict[int, list[int]] = defaultdict(list)
    for h in heard:
        if h.during:
            found[_pace(h.step)].append(h.during)
    return {pace: int(np.median(counts)) for pace, counts in found.items()}


def _pace(step: float) -> int:
    """Steps that differ by less than about a tenth have the same pace."""
    return round(10 * math.log(step))
