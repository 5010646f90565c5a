"""Fit `agents/perception/calibration.json`: is the top right? Pooled over data sets and perturbations, checked out of fold.

A case with all its variants is in one fold, and a quarter of the cases is held back for validation: nothing is fitted on them. A
data set weighs as the root of its diagnoses: large ones more, but less than they are larger. Prints calibration on both parts and
the weights; writes the file with `--write`.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from agents.perception.calibration import SIGNS, WEIGHTS, probability
from agents.perception.evaluate import calibration_error
from agents.perception.verdict import FAULT
from benchmarks.diagnosis.rows import AS_GIVEN, FOLDS, Row, diagnosed
from benchmarks.diagnosis.table import sets

LESS = ("no logs", "no spans", "no culprit metrics", "lossy", "short windows", "few points")
"""Variants in which less is seen."""
PENALTY = 1.0
"""Ridge penalty; of 0.3 to 10 the one with the least error on development data with a data set left out."""
MOST = 200
"""Cases per data set: many alike tell how often the top is right better than the same few in many variants."""
GIVEN = 2.0
"""Weight of a diagnosis of a case as it was given, or with its past, beside one of a variant of it."""
SURE = 0.8


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
        r for name, cases in sets(asked.cases, MOST) for r in diagnosed(name, cases[:: asked.every])
    ]
    if asked.rows and not asked.rows.exists():
        asked.rows.write_text("".join(json.dumps(asdict(r)) + "\n" for r in rows))
    fitted, held = [r for r in rows if not r.held], [r for r in rows if r.held]
    weights = fit(fitted)
    inner, outer = _out_of_fold(fitted), [probability(r.found, weights) for r in held]
    sys.stdout.write("\n".join([
        *_report("development, out of fold", fitted, inner),
        *_report("development, without the data set", fitted, _without_own_set(fitted)),
        *_report("validation", held, outer),
        *_less_seen([*fitted, *held], [*inner, *outer]),
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


def _less_seen(rows: list[Row], said: list[float]) -> list[str]:
    """What the same cases are told as given and with less to see, and what is right of it: both ought to fall together."""
    whole = {(r.data, r.case): (p, r.right) for r, p in zip(rows, said, strict=True) if r.kind == "as given"}
    lines = ["less to see: said and right as given → without"]
    for kind in LESS:
        pairs = [
            (*whole[r.data, r.case], p, r.right)
            for r, p in zip(rows, said, strict=True)
            if r.kind == kind and not r.quiet and (r.data, r.case) in whole
        ]
        if pairs:
            told, right, less, still = np.mean(pairs, axis=0)
            lines.append(f"  {kind:<22} {len(pairs):>5}  said {told:.3f} → {less:.3f}  right {right:.3f} → {still:.3f}")
    return lines


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
    models = {name: fit([r for r in rows if part(r) != name]) for name in {part(r) for r in rows}}
    return [probability(r.found, models[part(r)]) for r in rows]


def fit(rows: list[Row]) -> dict[str, float]:
    """Weights none of which goes against what its feature means: those that would are left out, the worst first."""
    names = list(rows[0].found)
    while True:
        weights = _regressed(rows, names)
        against = {n: -w * SIGNS.get(n, 0) for n, w in weights.items() if w * SIGNS.get(n, 0) < 0}
        if not against:
            return {n: weights.get(n, 0.0) for n in ("bias", *rows[0].found)}
        names.remove(max(against, key=lambda n: against[n]))


def _regressed(rows: list[Row], names: list[str]) -> dict[str, float]:
    from sklearn.linear_model import LogisticRegression

    counts = Counter(row.data for row in rows)
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
