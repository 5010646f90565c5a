"""Fit `agents/perception/calibration.json`: is the top right? Pooled over data sets and perturbations, checked out of fold.

A case with all its variants is in one fold; each data set weighs the same. Prints the out-of-fold calibration error and
the weights; writes the file with `--write`.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agents.perception.calibration import WEIGHTS, features, probability
from agents.perception.engine import consider
from agents.perception.evaluate import Truth, calibration_error
from agents.perception.facts import Facts
from agents.perception.history import History, PastCase
from agents.perception.quiet import fault_free
from benchmarks.diagnosis.perturb import PERTURBATIONS
from benchmarks.diagnosis.table import sets
from domain.bundle import Bundle

KINDS = (
    "as given",
    "no logs",
    "no spans",
    "metrics only",
    "no culprit metrics",
    "no topology",
    "no alert",
    "no onset",
    "lossy",
    "short windows",
    "loud neighbour",
)
FOLDS = 5
PARTS = (1.0, 0.7)
"""Where fault-free windows end, as a share of the normal time."""
PENALTY = 1.0


@dataclass(frozen=True, slots=True)
class Row:
    """One diagnosis: where it comes from, what its confidence may rest on, whether its top was right."""

    data: str
    case: str
    found: dict[str, float]
    right: bool
    quiet: bool


def main() -> int:
    """Collect, fit, check, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.diagnosis.calibrate")
    parser.add_argument("--cases", type=Path, help="a folder of data sets instead of the shipped ones")
    parser.add_argument("--every", type=int, default=1, help="take every n-th case only")
    parser.add_argument("--write", action="store_true", help="write the weights into the package")
    asked = parser.parse_args()
    rows = [row for name, cases in sets(asked.cases) for row in _rows(name, cases[:: asked.every])]
    held = _out_of_fold(rows)
    pairs = [(p, r.right) for p, r in zip(held, rows, strict=True) if not r.quiet]
    out = sys.stdout.write
    out(
        f"{len(rows)} diagnoses of {len({r.case for r in rows})} cases; ECE out of fold {calibration_error(pairs):.3f}\n"
    )
    faults = [r for r in rows if not r.quiet]
    for name in dict.fromkeys(r.data for r in faults):
        own = [p for p, r in zip(pairs, faults, strict=True) if r.data == name]
        out(
            f"  {name:<20} {len(own):>5}  right {np.mean([y for _, y in own]):.3f}  said {np.mean([p for p, _ in own]):.3f}  "
            f"ECE {calibration_error(own):.3f}\n"
        )
    sure = [y for p, y in pairs if p >= 0.8]
    out(f"  said 0.8 and more: {len(sure)}, right {np.mean(sure):.3f}\n")
    calm = [p for p, r in zip(held, rows, strict=True) if r.quiet]
    out(
        f"  fault-free windows with a suspect: {len(calm)}, said {np.mean(calm):.3f}, 0.5 and more {sum(p >= 0.5 for p in calm)}\n"
    )
    weights = _fit(rows)
    out("\n".join(f"  {k:<16} {v:+.3f}" for k, v in weights.items()) + "\n")
    if asked.write:
        document = {
            "schema_version": "1",
            "rows": len(rows),
            "ece_out_of_fold": round(calibration_error(pairs), 4),
            "weights": weights,
        }
        WEIGHTS.write_text(json.dumps(document, indent=1) + "\n")
    return 0


def _rows(name: str, cases: list[tuple[Bundle, Truth]]) -> list[Row]:
    found = []
    faults = [(b, t) for b, t in cases if not t.healthy]
    for number, (bundle, truth) in enumerate(faults):
        seen: set[tuple[tuple[str, float], ...]] = set()
        for kind in KINDS:
            changed, true = PERTURBATIONS[kind](bundle, truth, random.Random(number))
            row = _row(name, bundle.id, changed, true, None)
            if row and (key := tuple(row.found.items())) not in seen:
                seen.add(key)
                found.append(row)
    return [*found, *_quiet(name, cases), *_with_history(name, faults)]


def _quiet(name: str, cases: list[tuple[Bundle, Truth]]) -> list[Row]:
    """Windows without a fault: those of the set, and ends of normal times."""
    calm = [(b.id, b) for b, t in cases if t.healthy]
    cut = [(b.id, fault_free(b, part)) for b, t in cases if not t.healthy for part in PARTS]
    rows = [_row(name, case, b, Truth(healthy=True), None) for case, b in (*calm, *cut) if b is not None]
    return [r for r in rows if r]


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
        found += [_row(f"{name} learnt", b.id, b, t, history) for i, (b, t) in enumerate(cases) if i % FOLDS == fold]
    return [r for r in found if r]


def _row(name: str, case: str, bundle: Bundle, truth: Truth, history: History | None) -> Row | None:
    facts = Facts(bundle)
    suffering, ranked = consider(facts, history)
    if not ranked:
        return None
    right = not truth.healthy and ranked[0].claim.service in truth.services
    return Row(name, case, features(facts, suffering, ranked), right, truth.healthy)


def _out_of_fold(rows: list[Row]) -> list[float]:
    names = sorted({r.case for r in rows})
    random.Random(1).shuffle(names)
    fold = {case: i % FOLDS for i, case in enumerate(names)}
    models = [_fit([r for r in rows if fold[r.case] != i]) for i in range(FOLDS)]
    return [probability(r.found, models[fold[r.case]]) for r in rows]


def _fit(rows: list[Row]) -> dict[str, float]:
    from sklearn.linear_model import LogisticRegression

    names = list(rows[0].found)
    counts: dict[str, int] = defaultdict(int)
    for row in rows:
        counts[row.data] += 1
    table = np.asarray([[r.found[n] for n in names] for r in rows])
    shares = [len(rows) / len(counts) / counts[r.data] for r in rows]
    model: Any = LogisticRegression(C=1 / PENALTY, max_iter=2000)
    model.fit(table, [r.right for r in rows], sample_weight=shares)
    return {"bias": round(float(model.intercept_[0]), 4)} | {
        n: round(float(w), 4) for n, w in zip(names, model.coef_[0], strict=True)
    }


if __name__ == "__main__":
    raise SystemExit(main())
