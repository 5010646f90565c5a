"""How good diagnoses are, and how good simple baselines are on the same cases. Pure: cases in, numbers out.

AC@k: share of cases whose true service is among the first k (de-duplicated); Avg@5: mean of AC@1..5; MAR: mean rank, where
misses count 10; class accuracy, weighted F1 and macro F1; specificity on fault-free windows; Brier score and expected
calibration error of the top.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.diagnosis import Diagnosis, DiagnosisVerdict

MISS = 10
BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The label of one case; `healthy` marks a fault-free window."""

    services: tuple[str, ...] = ()
    fault_class: str | None = None
    change: str | None = None
    decoys: tuple[str, ...] = ()
    healthy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One case judged: the ranking as said, and what was true."""

    case: str
    truth: Truth
    ranking: tuple[str, ...]
    verdict: str = DiagnosisVerdict.FAULT.value
    confidence: float = 0.0
    fault_class: str | None = None
    change: str | None = None
    seconds: float = 0.0

    @property
    def place(self) -> int:
        """Rank of the first true service, MISS when it is not named or farther down."""
        found = [i for i, s in enumerate(self.ranking, 1) if s in self.truth.services]
        return min(found[0], MISS) if found else MISS


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Measures per method; `lines` prints them."""

    rows: dict[str, dict[str, float]]
    cases: list[dict[str, Any]] = field(default_factory=list)

    def lines(self) -> list[str]:
        """An aligned table, one method per line; a dash where a measure does not apply."""
        names = list(dict.fromkeys(n for row in self.rows.values() for n in row))
        width = max([len(m) for m in self.rows] + [6])
        head = " ".join([f"{'method':<{width}}", *(f"{n:>11}" for n in names)])
        body = [
            " ".join([f"{m:<{width}}", *(f"{row[n]:>11.3f}" if n in row else f"{'–':>11}" for n in names)])
            for m, row in self.rows.items()
        ]
        return [head, *body]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {"schema_version": "1", "methods": self.rows, "cases": self.cases}


def outcome(case: str, diagnosis: Diagnosis, truth: Truth) -> Outcome:
    """A diagnosis beside its truth."""
    top = diagnosis.top
    return Outcome(
        case=case, truth=truth, ranking=tuple(dict.fromkeys(h.service for h in diagnosis.hypotheses)),
        verdict=diagnosis.verdict.value, confidence=diagnosis.confidence, fault_class=top.fault_class if top else None,
        change=top.change if top else None, seconds=diagnosis.seconds,
    )  # fmt: skip


def measure(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """All measures that apply to these outcomes."""
    faults = [o for o in outcomes if not o.truth.healthy and o.truth.services]
    found: dict[str, float] = {"cases": float(len(outcomes))}
    if faults:
        hits = {k: sum(o.place <= k for o in faults) / len(faults) for k in range(1, 6)}
        found |= {"AC@1": hits[1], "AC@3": hits[3], "AC@5": hits[5], "Avg@5": sum(hits.values()) / 5}
        found["MAR"] = sum(o.place for o in faults) / len(faults)
    asked = [o for o in outcomes if o.truth.change is not None]
    if asked:
        found["change"] = sum(o.change == o.truth.change for o in asked) / len(asked)
        found["decoys"] = sum(o.change in o.truth.decoys for o in asked) / len(asked)
    labelled = [(o.fault_class or "", o.truth.fault_class) for o in faults if o.truth.fault_class]
    if labelled:
        found |= classes([(said, str(true)) for said, true in labelled])
    quiet = [o for o in outcomes if o.truth.healthy]
    if quiet:
        found["specificity"] = sum(o.verdict == DiagnosisVerdict.HEALTHY.value for o in quiet) / len(quiet)
        found["unaccused"] = sum(o.verdict != DiagnosisVerdict.FAULT.value for o in quiet) / len(quiet)
    if faults:
        pairs = [(o.confidence, o.place == 1) for o in faults]
        found |= {"brier": brier(pairs), "ECE": calibration_error(pairs), "seconds": max(o.seconds for o in outcomes)}
    return found


def classes(pairs: Sequence[tuple[str, str]]) -> dict[str, float]:
    """Accuracy, support-weighted F1 and macro F1 of (said, true) labels."""
    names = sorted({true for _, true in pairs})
    f1: dict[str, float] = {}
    for name in names:
        right = sum(said == true == name for said, true in pairs)
        said_so = sum(said == name for said, _ in pairs)
        support = sum(true == name for _, true in pairs)
        f1[name] = 2 * right / (said_so + support) if said_so + support else 0.0
    weights = {name: sum(true == name for _, true in pairs) / len(pairs) for name in names}
    return {
        "class acc": sum(said == true for said, true in pairs) / len(pairs),
        "class F1": sum(f1[n] * weights[n] for n in names),
        "macro F1": sum(f1.values()) / len(names),
    }


def brier(pairs: Sequence[tuple[float, bool]]) -> float:
    """Mean squared difference of confidence and correctness (Brier 1950)."""
    return sum((p - right) ** 2 for p, right in pairs) / len(pairs)


def calibration_error(pairs: Sequence[tuple[float, bool]]) -> float:
    """Expected calibration error over BINS equal bins."""
    bins: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for p, right in pairs:
        bins[min(BINS - 1, int(p * BINS))].append((p, right))
    gaps = (abs(sum(p for p, _ in g) - sum(r for _, r in g)) for g in bins.values())
    return sum(gaps) / len(pairs)


def error_by_chance(confidences: Sequence[float], draws: int = 400) -> tuple[float, float]:
    """(mean, 95th percentile) of the calibration error of as many answers whose confidences are exactly right.

    Few answers are never spread as evenly as they are said: what stays below the second number is no sign of a wrong scale
    (consistency resampling, Bröcker & Smith 2007). The draws are always the same ones.
    """
    dice = random.Random(0)
    errors = sorted(calibration_error([(p, dice.random() < p) for p in confidences]) for _ in range(draws))
    return sum(errors) / draws, errors[int(0.95 * draws)]
