"""Scoring a folder of labelled bundles. Only here are the labels opened; the investigator never sees them."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.perception import diagnose
from agents.perception.ablation import METHODS, SOURCES, holds
from agents.perception.baselines import baselines
from agents.perception.evaluate import Outcome, Table, Truth, measure, outcome
from agents.perception.history import History, PastCase
from agents.perception.quiet import fault_free
from agents.perception.scorecard import by_class, intervals, reliability
from cli.folds import folds_of
from cli.second_look import WITH_MODEL, Beside, SecondLook
from domain.bundle import Bundle
from domain.errors import ConfigError
from domain.reasoning import Reasoner
from tools.bundle import read_bundle, read_truth

RANKING = frozenset({"cases", "AC@1", "AC@3", "AC@5", "Avg@5", "MAR"})
"""What a baseline is measured by: it ranks services and says nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One labelled bundle, read when asked for."""

    path: Path
    truth: Truth
    split: str

    def bundle(self) -> Bundle:
        """The evidence, without the label."""
        return read_bundle(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """A table of measures with what belongs beside it."""

    table: Table
    outcomes: tuple[Outcome, ...]
    ablation: dict[str, dict[str, float]]
    beside: tuple[Beside, ...] = ()
    """Each case without and with a model; empty: none was asked."""

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return self.table.document() | {
            "intervals": {k: list(v) for k, v in intervals(self.outcomes).items()},
            "classes": by_class(self.outcomes),
            "reliability": reliability(self.outcomes),
            "ablation": self.ablation,
            "model": [b.document() for b in self.beside],
            "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        }


def score_folder(
    folder: Path,
    history: Path | None,
    *,
    folds: int = 0,
    quiet: bool = False,
    ablation: bool = False,
    reasoner: Reasoner | None = None,
    progress: Callable[[int, int], None] = lambda _, __: None,
) -> Scores:
    """The engine and the simple baselines over every labelled bundle of `folder`, in one run.

    Bundles whose truth says `split: train` are learned from, not measured, when others say `split: test`; with `folds` all are
    measured, each with the other folds as its past. `quiet`: also fault-free windows cut from the normal times. `ablation`: the
    measures again without each source and each method. `reasoner`: a model that is measured beside.
    Raises ConfigError when the folder holds no labelled bundle.
    """
    cases = list(labelled_cases(folder))
    if not cases:
        raise ConfigError(
            f"{folder} holds no labelled bundle.",
            expected="folders with incident.json and truth.json",
            found="none",
            hint="firebreak investigate reads bundles without a label",
        )
    plan = list(_plan(cases, history, folds))
    said: dict[str, list[Outcome]] = {"firebreak": []}
    beside: list[Beside] = []
    second = SecondLook(reasoner) if reasoner is not None else None
    for number, (case, known) in enumerate(plan, 1):
        bundle = case.bundle()
        said["firebreak"].append(outcome(case.path.name, diagnose(bundle, history=known), case.truth))
        if second is not None:
            beside.append(second.look(case.path.name, bundle, said["firebreak"][-1], known))
            said.setdefault(WITH_MODEL, []).append(beside[-1].after)
        for name, method in baselines().items():
            said.setdefault(name, []).append(
                Outcome(case=case.path.name, truth=case.truth, ranking=tuple(method(bundle)))
            )
        if quiet and (calm := fault_free(bundle)) is not None:
            said["firebreak"].append(outcome(calm.id, diagnose(calm), Truth(healthy=True)))
        progress(number, len(plan))
    if second is not None:
        second.close()
    rows = {
        n: {k: v for k, v in measure(found).items() if n in ("firebreak", WITH_MODEL) or k in RANKING}
        for n, found in said.items()
    }
    found = tuple(said["firebreak"])
    return Scores(
        table=Table(rows=rows, cases=[_row(o) for o in found]),
        outcomes=found,
        ablation=_ablated(plan) if ablation else {},
        beside=tuple(beside),
    )


def load_history(folder: Path, leave_out: str) -> History:
    """Labelled past incidents; the case that is being diagnosed is left out."""
    if not folder.is_dir():
        raise ConfigError(f"There is no folder {folder}.", expected="labelled bundles", found=str(folder))
    cases = [_past(case) for case in labelled_cases(folder)]
    return History(cases=tuple(c for c in cases if c.bundle.id != leave_out))


def labelled_cases(folder: Path) -> Iterator[Case]:
    """Every labelled bundle directly in `folder` or one level below."""
    places = sorted({p.parent for pattern in ("*/truth.json", "*/*/truth.json") for p in folder.glob(pattern)})
    for path in places:
        raw = read_truth(path) or {}
        truth = Truth(
            services=tuple(raw.get("services") or ()),
            fault_class=raw.get("fault_type"),
            change=raw.get("change"),
            decoys=tuple(raw.get("decoys") or ()),
            healthy=bool(raw.get("healthy")),
        )
        yield Case(path=path, truth=truth, split=str(raw.get("split") or ""))


def _plan(cases: list[Case], history: Path | None, folds: int) -> Iterable[tuple[Case, History | None]]:
    """What is measured, each with the past it may learn from."""
    given = list(load_history(history, "").cases) if history else []
    if folds > 1:
        past = [_past(c) for c in cases]
        fold = folds_of([p.bundle for p in past], folds)
        known = [History(cases=(*(p for p, f in zip(past, fold, strict=True) if f != i), *given)) for i in range(folds)]
        return [(case, known[f]) for case, f in zip(cases, fold, strict=True)]
    train = [c for c in cases if c.split == "train"]
    measured = [c for c in cases if c.split != "train"] or train
    learnt = [_past(c) for c in train] if len(measured) < len(cases) else []
    one = History(cases=(*learnt, *given)) if learnt or given else None
    return [(case, one) for case in measured]


def _ablated(plan: list[tuple[Case, History | None]]) -> dict[str, dict[str, float]]:
    """Row → measures, without one source or one method at a time; only rows that change anything."""
    found: dict[str, dict[str, float]] = {}
    bundles = [(case, case.bundle(), known) for case, known in plan]
    for name, drop in SOURCES.items():
        if any(holds(bundle, name) for _, bundle, _ in bundles):
            found[f"without {name}"] = _measured((c, drop(b), k, frozenset()) for c, b, k in bundles)
    for method in METHODS:
        found[f"without {method} (method)"] = _measured((c, b, k, frozenset({method})) for c, b, k in bundles)
    return found


def _measured(tries: Iterable[tuple[Case, Bundle, History | None, Set[str]]]) -> dict[str, float]:
    return measure(
        [outcome(c.path.name, diagnose(b, history=known, without=without), c.truth) for c, b, known, without in tries]
    )


def _past(case: Case) -> PastCase:
    return PastCase(bundle=case.bundle(), services=case.truth.services, fault_class=case.truth.fault_class)


def _row(said: Outcome) -> dict[str, object]:
    return {
        "case": said.case,
        "verdict": said.verdict,
        "named": said.ranking[0] if said.ranking else None,
        "class": said.fault_class,
        "true": list(said.truth.services),
        "true class": said.truth.fault_class,
        "place": said.place,
        "confidence": said.confidence,
        "seconds": said.seconds,
    }
