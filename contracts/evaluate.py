"""Is the score any good: discrimination and calibration on labelled changes, beside simple scorers in the same run."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from contracts.chance import Curve, Ended, learned

BINS = 10
_ROUNDS = 500
_KEYWORDS = re.compile(
    r"cache|schema|migrat|database|sql|api|auth|permission|secret|encrypt|config|flag|timeout|retry|pool|lock|deploy|rout|upgrade|bump",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """One change of which it is known whether it did harm."""

    case: str
    """Changes of one case are never learnt from and tested on at once."""
    id: str
    harmful: bool
    score: float
    """Ours, 0 to 100."""
    lines: int
    files: int
    words: str
    """Summary, paths and diff: what keywords are looked for in."""


SCORERS: Mapping[str, Callable[[Labelled], float]] = {
    "firebreak": lambda row: row.score,
    "lines changed": lambda row: 100 * row.lines / (row.lines + 20),
    "number of files": lambda row: 100 * row.files / (row.files + 5),
    "keywords": lambda row: 100 * (hits := len(set(map(str.lower, _KEYWORDS.findall(row.words))))) / (hits + 2),
    "always the same": lambda row: 50.0,
}
"""Each maps to 0 to 100, growing with what it counts, so that the same curve can be put on all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One scorer on one set."""

    auc: float
    """Chance that a harmful change is scored above a harmless one (ties count half)."""
    low: float
    high: float
    """95 % percentile bootstrap of `auc`, over cases."""
    brier: float
    """Of the chance that a curve says which learnt from the other cases."""
    brier_prior: float
    """Of the chance that the priors alone say."""
    chances: tuple[tuple[float, bool], ...]
    """Out of fold: what was said, and whether it did harm."""


def measure(rows: Sequence[Labelled]) -> dict[str, Measured]:
    """Every scorer on the same changes. Needs at least one harmful and one harmless change."""
    return {name: _measured(rows, score) for name, score in SCORERS.items()}


def halves(rows: Sequence[Labelled]) -> dict[str, list[Labelled]]:
    """Cases that weights may be chosen on, and cases that are only looked at afterwards; which is which, their names say."""
    found: dict[str, list[Labelled]] = {"chosen on": [], "kept back": []}
    for row in rows:
        held = int(hashlib.sha256(row.case.encode()).hexdigest(), 16) % 2
        found["kept back" if held else "chosen on"].append(row)
    return found


def auc_of(pairs: Sequence[tuple[float, bool]]) -> float:
    """Mann–Whitney's U over all pairs of a harmful and a harmless change; 0.5 where there are none."""
    bad = [score for score, harmful in pairs if harmful]
    good = [score for score, harmful in pairs if not harmful]
    won = sum((b > g) + 0.5 * (b == g) for b in bad for g in good)
    return won / (len(bad) * len(good)) if bad and good else 0.5


def brier_of(pairs: Sequence[tuple[float, bool]]) -> float:
    """Mean squared difference of chance and outcome (Brier 1950)."""
    return sum((chance - harmful) ** 2 for chance, harmful in pairs) / len(pairs)


def reliability_of(pairs: Sequence[tuple[float, bool]]) -> list[dict[str, float]]:
    """Per bin of said chance: how many, what was said on average, what came; empty bins are left out."""
    bins: dict[int, list[tuple[float, bool]]] = {}
    for chance, harmful in pairs:
        bins.setdefault(min(BINS - 1, int(chance * BINS)), []).append((chance, harmful))
    return [
        {
            "from": at / BINS,
            "to": (at + 1) / BINS,
            "cases": float(len(mine)),
            "said": sum(c for c, _ in mine) / len(mine),
            "right": sum(h for _, h in mine) / len(mine),
        }
        for at, mine in sorted(bins.items())
    ]


def _measured(rows: Sequence[Labelled], score: Callable[[Labelled], float]) -> Measured:
    by_case: dict[str, list[tuple[float, bool]]] = {}
    for row in rows:
        by_case.setdefault(row.case, []).append((score(row), row.harmful))
    pairs = [pair for mine in by_case.values() for pair in mine]
    chances = [pair for case in by_case for pair in _out_of_fold(by_case, case)]
    low, high = _bootstrap(list(by_case.values()))
    return Measured(
        auc=auc_of(pairs),
        low=low,
        high=high,
        brier=brier_of(chances),
        brier_prior=brier_of([(Curve().chance(s), harmful) for s, harmful in pairs]),
        chances=tuple(chances),
    )


def _out_of_fold(by_case: Mapping[str, Sequence[tuple[float, bool]]], held: str) -> list[tuple[float, bool]]:
    past = [Ended(score=s, failed=h) for case, mine in by_case.items() if case != held for s, h in mine]
    curve = learned(past)
    return [(curve.chance(score), harmful) for score, harmful in by_case[held]]


def _bootstrap(cases: Sequence[Sequence[tuple[float, bool]]]) -> tuple[float, float]:
    choice = random.Random(1)
    found = sorted(auc_of([p for mine in choice.choices(cases, k=len(cases)) for p in mine]) for _ in range(_ROUNDS))
    return found[int(0.025 * _ROUNDS)], found[int(0.975 * _ROUNDS) - 1]
