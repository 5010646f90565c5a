"""Fit `agents/perception/calibration.json`: is the top right? Pooled over data sets and perturbations, checked out of fold.

A case with all its variants is in one fold, and a quarter of the cases is held back for validation: nothing is fitted on them. A
data set weighs as the root of its diagnoses: large ones more, but less than they are larger. Prints calibration on both parts and
the weights; writes the file with `--write`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agents.perception.calibration import WEIGHTS, features, probability
from agents.perception.engine import consider
from agents.perception.evaluate import Truth, calibration_error
from agents.perception.facts import Facts
from agents.perception.history import History, PastCase
from agents.perception.quiet import fault_free
from agents.perception.verdict import FAULT
from benchmarks.diagnosis.perturb import PERTURBATIONS
from benchmarks.diagnosis.table import sets
from domain.bundle import Bundle

KINDS = (
    "as given",
    "no logs",
    "no spans",
    "metrics only",
    "no culprit metrics",
    "no bystander metrics",
    "no topology",
    "no alert",
    "no onset",
    "lossy",
    "short windows",
    "loud neighbour",
    "few points",
)
AS_GIVEN = ("as given", "learnt")
QUIET_KINDS = ("as given", "few points")
FOLDS = 5
PARTS = (1.0, 0.7)
"""Where fault-free windows end, as a share of the normal time."""
PENALTY = 1.0
"""Ridge penalty; of 0.3 to 10 the one with the least error on development data with a data set left out."""
MOST = 200
"""Cases per data set: many alike tell how often the top is right better than the same few in many variants."""
GIVEN = 2.0
"""Weight of a diagnosis of a case as it was given, or with its past, beside one of a variant of it."""
SURE = 0.8


@dataclass(frozen=True, slots=True)
class Row:
    """One diagnosis: where it comes from, what its confidence may rest on, whether its top was right."""

    data: str
    case: str
    kind: str
    found: dict[str, float]
    right: bool
    quiet: bool

    @property
    def family(self) -> str:
        """The case that it is a variant of: all of them are fitted on, or none."""
        return self.case.split(":")[0]

    @property
    def held(self) -> bool:
        """Is it of the validation part, on which nothing is fitted? A quarter of the cases, by hash."""
        return int(hashlib.sha256(self.family.encode()).hexdigest(), 16) % 4 == 0


def main() -> int:
    """Collect, fit, check, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.diagnosis.calibrate")
    parser.add_argument("--cases", type=Path, help="a folder of data sets instead of the shipped ones")
    parser.add_argument("--every", type=int, default=1, help="take every n-th case only")
    parser.add_argument(
        "--rows", type=Path, help="diagnoses kept there are fitted again; else they are collected and kept there"
    )
    parser.add_argument("--write", action="store_true", help="write the weights into the package")
    asked = parser.parse_args()
    rows = _kept(asked.rows) or [
        r for name, cases in sets(asked.cases, MOST) for r in _rows(name, cases[:: asked.every])
    ]
    if asked.rows and not asked.rows.exists():
        asked.rows.write_text("".join(json.dumps(asdict(r)) + "\n" for r in rows))
    fitted, held = [r for r in rows if not r.held], [r for r in rows if r.held]
    weights = _fit(fitted)
    inner, outer = _out_of_fold(fitted), [probability(r.found, weights) for r in held]
    sys.stdout.write("\n".join([
        *_report("development, out of fold", fitted, inner),
        *_report("development, without the data set", fitted, _without_own_set(fitted)),
        *_report("validation", held, outer),
        *(f"  {k:<16} {v:+.3f}" for k, v in weights.items()),
    ]) + "\n")  # fmt: skip
    if asked.write:
        _write(weights, fitted, inner, held, outer)
    return 0


def _kept(place: Path | None) -> list[Row]:
    lines = place.read_text().splitlines() if place and place.exists() else []
    return [Row(**json.loads(line)) for line in lines]


def _report(title: str, rows: list[Row], said: list[float]) -> list[str]:
    """Calibration of one part: in all, as given, per data set; how often the sure are right; what quiet windows are told."""
    faults = [(r, p) for r, p in zip(rows, said, strict=True) if not r.quiet]
    calm = [p for r, p in zip(rows, said, strict=True) if r.quiet]
    groups = {"all": faults, "as given": [(r, p) for r, p in faults if r.kind in AS_GIVEN]}
    groups |= {name: [(r, p) for r, p in faults if r.data == name] for name in dict.fromkeys(r.data for r, _ in faults)}
    lines = [f"{title}: {len(rows)} diagnoses of {len({r.case for r in rows})} cases"]
    for name, own in groups.items():
        pairs = [(p, r.right) for r, p in own]
        sure = [right for p, right in pairs if p >= SURE]
        lines.append(
            f"  {name:<22} {len(pairs):>5}  right {np.mean([y for _, y in pairs]):.3f}  said {np.mean([p for p, _ in pairs]):.3f}  "
            f"ECE {calibration_error(pairs):.3f}  said {SURE} and more {len(sure):>4}, right {np.mean(sure) if sure else 0:.3f}"
        )
    accused = sum(p >= FAULT for p in calm)
    return [
        *lines,
        f"  fault-free windows with a suspect: {len(calm)}, said {np.mean(calm):.3f}, {FAULT} and more {accused}",
    ]


def _write(
    weights: dict[str, float], fitted: list[Row], inner: list[float], held: list[Row], outer: list[float]
) -> None:
    def error(rows: list[Row], said: list[float]) -> float:
        return round(calibration_error([(p, r.right) for r, p in zip(rows, said, strict=True) if not r.quiet]), 4)

    document = {
        "schema_version": "1",
        "fitted_by": "python -m benchmarks.diagnosis.calibrate --write",
        "rows": len(fitted),
        "data": dict(Counter(r.data for r in fitted)),
        "ece_out_of_fold": error(fitted, inner),
        "ece_data_set_left_out": error(fitted, _without_own_set(fitted)),
        "ece_validation": error(held, outer),
        "weights": weights,
    }
    WEIGHTS.write_text(json.dumps(document, indent=1) + "\n")


def _rows(name: str, cases: list[tuple[Bundle, Truth]]) -> list[Row]:
    faults = [(b, t) for b, t in cases if not t.healthy]
    calm = [b for b, t in cases if t.healthy]
    cut = [fault_free(b, part) for b, _ in faults for part in PARTS]
    quiet = [(b, Truth(healthy=True)) for b in (*calm, *cut) if b is not None]
    return [*_varied(name, faults, KINDS), *_varied(name, quiet, QUIET_KINDS), *_with_history(name, faults)]


def _varied(name: str, cases: list[tuple[Bundle, Truth]], kinds: Sequence[str]) -> list[Row]:
    """Each case as given and changed; a change that changes nothing counts once."""
    found = []
    for number, (bundle, truth) in enumerate(cases):
        seen: set[tuple[tuple[str, float], ...]] = set()
        for kind in kinds:
            changed, true = PERTURBATIONS[kind](bundle, truth, random.Random(number))
            row = _row(name, kind, changed, true, None)
            if row and (key := tuple(row.found.items())) not in seen:
                seen.add(key)
                found.append(row)
    return found


def _with_history(name: str, cases: list[tuple[Bundle, Truth]]) -> list[Row]:
    """The same cases with the other folds as past incidents, where they are all extracted alerts (one system, many incidents)."""
    if len(cases) < 30 or not all(b.signals and not b.series for b, _ in cases):
        return []
    found = []
    for fold in range(FOLDS):
        past = [
            PastCase(bundle=b, services=t.services, fault_class=t.fault_class)
            for i, (b, t) in enumerate(cases)
            if i % FOLDS != fold
        ]
        history = History(cases=tuple(past))
        found += [
            _row(f"{name} learnt", "learnt", b, t, history) for i, (b, t) in enumerate(cases) if i % FOLDS == fold
        ]
    return [r for r in found if r]


def _row(name: str, kind: str, bundle: Bundle, truth: Truth, history: History | None) -> Row | None:
    facts = Facts(bundle)
    suffering, ranked = consider(facts, history)
    if not ranked:
        return None
    right = not truth.healthy and ranked[0].claim.service in truth.services
    return Row(name, bundle.id, kind, features(facts, suffering, ranked), right, truth.healthy)


def _out_of_fold(rows: list[Row]) -> list[float]:
    """Said by weights that never saw the case, in none of its variants."""
    names = sorted({r.family for r in rows})
    random.Random(1).shuffle(names)
    fold = {case: i % FOLDS for i, case in enumerate(names)}
    return _said_by_others(rows, lambda row: fold[row.family])


def _without_own_set(rows: list[Row]) -> list[float]:
    """Said by weights that never saw the data set: what to expect of systems that nobody fitted anything on."""
    return _said_by_others(rows, lambda row: row.data.split()[0])


def _said_by_others(rows: list[Row], part: Callable[[Row], object]) -> list[float]:
    models = {name: _fit([r for r in rows if part(r) != name]) for name in {part(r) for r in rows}}
    return [probability(r.found, models[part(r)]) for r in rows]


def _fit(rows: list[Row]) -> dict[str, float]:
    from sklearn.linear_model import LogisticRegression

    names = list(rows[0].found)
    counts: dict[str, int] = defaultdict(int)
    for row in rows:
        counts[row.data] += 1
    table = np.asarray([[r.found[n] for n in names] for r in rows])
    shares = [(GIVEN if r.kind in AS_GIVEN else 1.0) / math.sqrt(counts[r.data]) for r in rows]
    shares = [s * len(rows) / sum(shares) for s in shares]
    model: Any = LogisticRegression(C=1 / PENALTY, max_iter=2000)
    model.fit(table, [r.right for r in rows], sample_weight=shares)
    return {"bias": round(float(model.intercept_[0]), 4)} | {
        n: round(float(w), 4) for n, w in zip(names, model.coef_[0], strict=True)
    }


if __name__ == "__main__":
    raise SystemExit(main())
