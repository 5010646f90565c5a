"""How good diagnoses are, and how good simple baselines are on the same cases. Pure: cases in, numbers out.

AC@k: share of cases whose true service is among the first k (de-duplicated); Avg@5: mean of AC@1..5; MAR: mean rank, where
misses count 10; class accuracy, weighted F1 and macro F1; specificity on fault-free windows; Brier score and expected
calibration error of the top.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.perception.contrast import contrasts
from agents.perception.facts import Facts
from domain.bundle import Bundle
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


def baselines() -> dict[str, Callable[[Bundle], list[str]]]:
    """Simple methods by name, each from a bundle to a ranking of services."""
    return {"n-sigma": n_sigma, "correlation": correlation, "random walk": random_walk, "last change": last_change}


def n_sigma(bundle: Bundle) -> list[str]:
    """Services by their largest deviation in standard scores."""
    worst: dict[str, float] = defaultdict(float)
    for c in contrasts(bundle, Facts(bundle).windows):
        worst[c.service] = max(worst[c.service], abs(c.z))
    for signal in bundle.signals:
        worst[signal.service] += 1.0
    return _ranked(bundle, worst)


def correlation(bundle: Bundle) -> list[str]:
    """Services by how strongly the alerted metric of theirs moves together with that of the alerted service."""
    import numpy as np

    alert = bundle.alert
    wanted = alert.metric.lower() if alert else ""
    mine = [s for s in bundle.series if alert and s.service == alert.service]
    target = next((s for s in mine if wanted and wanted in s.metric.lower()), mine[0] if mine else None)
    if target is None:
        return n_sigma(bundle)
    known = dict(zip(target.times, target.values, strict=True))
    score: dict[str, float] = defaultdict(float)
    for series in bundle.series:
        if series.metric != target.metric or series.service == target.service:
            continue
        pairs = [(v, known[t]) for t, v in zip(series.times, series.values, strict=True) if t in known]
        a, b = np.asarray([p[0] for p in pairs]), np.asarray([p[1] for p in pairs])
        if len(pairs) >= 5 and a.std() > 0 and b.std() > 0:
            score[series.service] = max(score[series.service], abs(float(np.corrcoef(a, b)[0, 1])))
    score.setdefault(target.service, 0.0)
    return _ranked(bundle, score)


def random_walk(bundle: Bundle) -> list[str]:
    """Services by how often a walk from the alerted one, drawn to deviating callees, visits them (PageRank-like, 50 steps)."""
    weight: dict[str, float] = defaultdict(lambda: 0.1)
    for c in contrasts(bundle, Facts(bundle).windows):
        weight[c.service] = max(weight[c.service], min(abs(c.z), 50.0))
    facts = Facts(bundle)
    start = bundle.alert.service if bundle.alert else next(iter(facts.services), "")
    mass, visits = {start: 1.0}, defaultdict[str, float](float)
    for _ in range(50):
        moved: dict[str, float] = defaultdict(float)
        for service, m in mass.items():
            visits[service] += m
            steps = {s: weight[s] for s in (*facts.callees(service), service)}
            total = sum(steps.values())
            for step, w in steps.items():
                moved[step] += 0.85 * m * w / total
        moved[start] += 0.15
        mass = moved
    return _ranked(bundle, visits)


def last_change(bundle: Bundle) -> list[str]:
    """The service of the newest deploy before the onset."""
    onset = Facts(bundle).windows.onset + 60
    deploys = [c for c in bundle.changes if c.service and c.time.timestamp() <= onset]
    return list(dict.fromkeys(c.service for c in sorted(deploys, key=lambda c: c.time, reverse=True)))


def _ranked(bundle: Bundle, score: dict[str, float]) -> list[str]:
    allowed = set(bundle.services) or set(score)
    return sorted((s for s in score if s in allowed), key=lambda s: (-score[s], s))
