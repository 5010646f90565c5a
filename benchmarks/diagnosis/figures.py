"""Every figure of diagnosis in one run, as a page: beside simple methods, on healthy windows, perturbed, and with parts left out.

`python -m benchmarks.diagnosis.figures --cases DIR --write docs/diagnosis-figures.md`; without `--cases` the shipped cases. All is
measured without a past: what a history buys is `firebreak eval diagnosis DIR`. `--every N` takes every n-th case and says so.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from agents.perception import diagnose
from agents.perception.ablation import METHODS, SOURCES, holds
from agents.perception.baselines import baselines
from agents.perception.evaluate import Outcome, Truth, error_by_chance, measure, outcome
from agents.perception.quiet import fault_free
from agents.perception.scorecard import curve_lines, intervals, reliability
from benchmarks.diagnosis.perturb import PERTURBATIONS
from benchmarks.diagnosis.table import sets
from domain.bundle import Bundle

SURE = 0.8
Cases = list[tuple[Bundle, Truth]]


def main() -> int:
    """Measure, print, and write the page where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.diagnosis.figures")
    parser.add_argument("--cases", type=Path, help="a folder of data sets instead of the shipped ones")
    parser.add_argument("--every", type=int, default=1, help="take every n-th case only")
    parser.add_argument("--kinds", default="", help="perturbations, by comma; all when left out")
    parser.add_argument("--write", type=Path, help="also write the page there")
    asked = parser.parse_args()
    data = [(name, cases[:: asked.every]) for name, cases in sets(asked.cases)]
    kinds = asked.kinds.split(",") if asked.kinds else list(PERTURBATIONS)
    text = "\n".join(page(data, kinds, asked.every)) + "\n"
    sys.stdout.write(text)
    if asked.write:
        asked.write.write_text(text)
    return 0


def page(data: Sequence[tuple[str, Cases]], kinds: Sequence[str], every: int) -> list[str]:
    """The page's lines; every table is measured here and now."""
    given = {name: _said(cases) for name, cases in data}
    return [
        "# Figures of diagnosis",
        "",
        f"Written by `python -m benchmarks.diagnosis.figures` at {_commit()}, {datetime.now(UTC):%Y-%m-%d}, without a model and "
        f"past incidents; {_taken(every)}. Load of the machine: {os.getloadavg()[0]:.1f}.",
        "",
        "## As given, beside simple methods on the same cases",
        "",
        *_table(["data set", "cases", "AC@1", "95 %", "AC@3", *baselines()], _accuracy(data, given)),
        "",
        "## Windows without a fault",
        "",
        *_table(["data set", "windows", "declared healthy", "not accused"], _calm(data)),
        "",
        "## Confidence and time",
        "",
        *_table(
            ["data set", "ECE", "by chance", f"said {SURE} and more", "of these right", "median s", "longest s"],
            _sureness(given),
        ),
        "",
        CHANCE,
        "",
        "```",
        *curve_lines(reliability([o for found in given.values() for o in found])),
        "```",
        "",
        f"Peak memory of the whole run: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB.",
        "",
        "## One thing changed: AC@1, and n-sigma's on the same bundles",
        "",
        *_table(["changed", *(name for name, _ in data)], _perturbed(data, kinds)),
        "",
        "## One source or method left out: AC@1",
        "",
        *_table(["without", *(name for name, _ in data)], _ablated(data)),
    ]


CHANCE = (
    "By chance: the calibration error of as many answers whose confidences are exactly right, in the mean and in 95 of 100 draws. "
    "Few answers are never spread evenly; over all variants, out of fold, `python -m benchmarks.diagnosis.calibrate` prints it."
)


def _said(cases: Cases, change: Callable[[Bundle], Bundle] = lambda b: b, without: Iterable[str] = ()) -> list[Outcome]:
    left_out = frozenset(without)
    return [outcome(b.id, diagnose(change(b), without=left_out), t) for b, t in cases if not t.healthy]


def _accuracy(data: Sequence[tuple[str, Cases]], given: dict[str, list[Outcome]]) -> Iterable[list[str]]:
    for name, cases in data:
        m, (low, high) = measure(given[name]), intervals(given[name]).get("AC@1", (0.0, 1.0))
        faults = [(b, t) for b, t in cases if not t.healthy]
        plain = [
            measure([Outcome(case=b.id, truth=t, ranking=tuple(rank(b))) for b, t in faults])["AC@1"]
            for rank in baselines().values()
        ]
        yield [
            name,
            str(len(faults)),
            f"{m['AC@1']:.3f}",
            f"{low:.2f}–{high:.2f}",
            f"{m['AC@3']:.3f}",
            *map("{:.3f}".format, plain),
        ]


def _calm(data: Sequence[tuple[str, Cases]]) -> Iterable[list[str]]:
    for name, cases in data:
        windows = [b if t.healthy else fault_free(b) for b, t in cases]
        found = [outcome(b.id, diagnose(b), Truth(healthy=True)) for b in windows if b is not None]
        if found:
            m = measure(found)
            yield [name, str(len(found)), f"{m['specificity']:.3f}", f"{m['unaccused']:.3f}"]


def _sureness(given: dict[str, list[Outcome]]) -> Iterable[list[str]]:
    pooled = [o for found in given.values() for o in found]
    for name, found in [*given.items(), ("**all**", pooled)]:
        sure = [o for o in found if o.confidence >= SURE]
        times = sorted(o.seconds for o in found)
        right = f"{sum(o.place == 1 for o in sure) / len(sure):.3f}" if sure else "–"
        mean, most = error_by_chance([o.confidence for o in found])
        yield [
            name,
            f"{measure(found)['ECE']:.3f}",
            f"{mean:.3f}, to {most:.3f}",
            str(len(sure)),
            right,
            f"{times[len(times) // 2]:.3f}",
            f"{times[-1]:.3f}",
        ]


def _perturbed(data: Sequence[tuple[str, Cases]], kinds: Sequence[str]) -> Iterable[list[str]]:
    n_sigma = baselines()["n-sigma"]
    for kind in kinds:
        row = [kind]
        for _, cases in data:
            changed = [PERTURBATIONS[kind](b, t, random.Random(i)) for i, (b, t) in enumerate(cases) if not t.healthy]
            plain = [Outcome(case=b.id, truth=t, ranking=tuple(n_sigma(b))) for b, t in changed]
            row.append(f"{measure(_said(changed))['AC@1']:.2f} / {measure(plain)['AC@1']:.2f}")
        yield row


def _ablated(data: Sequence[tuple[str, Cases]]) -> Iterable[list[str]]:
    for source, drop in SOURCES.items():
        rows = [
            measure(_said(cases, drop))["AC@1"] if any(holds(b, source) for b, _ in cases) else None
            for _, cases in data
        ]
        yield [source, *("–" if v is None else f"{v:.2f}" for v in rows)]
    for method in METHODS:
        yield [f"{method} (method)", *(f"{measure(_said(cases, without=[method]))['AC@1']:.2f}" for _, cases in data)]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "an unknown commit"


def _taken(every: int) -> str:
    return "every single case" if every == 1 else f"one case in {every}"


if __name__ == "__main__":
    raise SystemExit(main())
