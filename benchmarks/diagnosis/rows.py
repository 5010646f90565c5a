"""Labelled cases diagnosed, as they are and in variants, as rows that a calibration is fitted on.

A row is one diagnosis: what its confidence may rest on, and whether its top was right. Windows without a fault are cut out of the
same cases; there every top is wrong.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

from agents.perception.calibration import features
from agents.perception.engine import consider
from agents.perception.evaluate import Truth
from agents.perception.facts import Facts
from agents.perception.history import History, PastCase
from agents.perception.quiet import fault_free
from benchmarks.diagnosis.perturb import PERTURBATIONS
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
        return self.case.removesuffix(":fault-free")

    @property
    def held(self) -> bool:
        """Is it of the validation part, on which nothing is fitted? A quarter of the cases, by hash."""
        return int(hashlib.sha256(self.family.encode()).hexdigest(), 16) % 4 == 0


def diagnosed(name: str, cases: list[tuple[Bundle, Truth]]) -> list[Row]:
    """Every row of one data set."""
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
            if kind != "as given" and changed == bundle:
                continue
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
