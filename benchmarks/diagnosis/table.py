"""The tables: accuracy per perturbation and data set, beside n-sigma on the same bundles in the same run."""

from __future__ import annotations

import argparse
import random
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from agents.perception import diagnose
from agents.perception.baselines import n_sigma
from agents.perception.evaluate import Outcome, Truth, measure, outcome
from benchmarks.diagnosis.fleet import fleets
from benchmarks.diagnosis.perturb import PERTURBATIONS
from benchmarks.diagnosis.scenarios import scenarios
from cli.scoring import labelled_cases
from domain.bundle import Bundle

SHIPPED = Path(__file__).resolve().parents[2] / "tests" / "data" / "cases" / "cases.tar.xz"
MOST = 60
"""Cases per data set that tables are made of."""


def main() -> int:
    """Print one row per data set and perturbation."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks diagnosis")
    parser.add_argument("--cases", type=Path, help="a folder of data sets instead of the shipped ones")
    parser.add_argument("--only", default="", help="data sets, by comma")
    parser.add_argument("--kinds", default="", help="perturbations, by comma")
    parser.add_argument("--misses", action="store_true", help="name every miss")
    asked = parser.parse_args()
    chosen = {k: v for k, v in PERTURBATIONS.items() if not asked.kinds or k in asked.kinds.split(",")}
    out = sys.stdout.write
    names = ("AC@1", "AC@3", "n-sigma", "conf", "ECE", "max s")
    out(f"{'data set':<18} {'perturbation':<20} {'cases':>5} " + " ".join(f"{n:>7}" for n in names) + "\n")
    for name, cases in sets(asked.cases):
        if asked.only and name not in asked.only.split(","):
            continue
        for kind, perturb in chosen.items():
            said, plain = [], []
            for number, (bundle, truth) in enumerate(cases):
                changed, true = perturb(bundle, truth, random.Random(number))
                said.append(outcome(bundle.id, diagnose(changed), true))
                plain.append(Outcome(case=bundle.id, truth=true, ranking=tuple(n_sigma(changed))))
            m = measure(said)
            mean = sum(o.confidence for o in said) / len(said)
            numbers = (m["AC@1"], m["AC@3"], measure(plain)["AC@1"], mean, m["ECE"], m["seconds"])
            out(f"{name:<18} {kind:<20} {len(said):>5} " + " ".join(f"{n:>7.3f}" for n in numbers) + "\n")
            if asked.misses:
                out(
                    "".join(
                        f"    {o.case} place {o.place}: {o.ranking[:3]} for {o.truth.services}\n"
                        for o in said
                        if o.place > 1
                    )
                )
            sys.stdout.flush()
    return 0


def sets(folder: Path | None, most: int = MOST) -> Iterator[tuple[str, list[tuple[Bundle, Truth]]]]:
    """(name, cases) of every data set of the folder (the shipped ones without), and the synthesised scenarios.

    Of a data set with more than `most` cases every n-th is taken.
    """
    with tempfile.TemporaryDirectory() as place:
        if folder is None:
            unpack_shipped(Path(place))
        for path in sorted(p for p in (folder or Path(place)).iterdir() if p.is_dir()):
            found = list(labelled_cases(path))
            step = max(1, len(found) // most)
            yield path.name, [(c.bundle(), c.truth) for c in found[::step]]
    yield "synthetic", list(scenarios())
    yield "fleet", list(fleets())


def unpack_shipped(place: Path) -> None:
    """The shipped data sets, one folder each. Early releases of Python 3.11 know no extraction filters."""
    with tarfile.open(SHIPPED) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(place)  # noqa: S202 - our own archive, from the repository


if __name__ == "__main__":
    raise SystemExit(main())
