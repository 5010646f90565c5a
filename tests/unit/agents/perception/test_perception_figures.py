"""The page of figures: measured in the run that prints it."""

from __future__ import annotations

import random

from agents.perception.evaluate import Truth
from benchmarks.diagnosis.conventions import CONVENTIONS
from benchmarks.diagnosis.distort import DISTORTIONS
from benchmarks.diagnosis.figures import page
from benchmarks.diagnosis.fleet import incident


def test_the_page_holds_every_table() -> None:
    """A slow service and a quiet system: accuracy, healthy windows, confidence, perturbations, what was left out."""
    cases = [incident(kind, CONVENTIONS[0], random.Random(7), kind) for kind in ("delay", "healthy")]
    text = "\n".join(page([("two", cases)], ["as given", "own prefix"], 1))
    assert "| two | 1 |" in text
    assert "| own prefix |" in text
    assert "| latency (method) |" in text
    assert "every single case" in text


def test_distortions_keep_the_truth() -> None:
    """Whatever is done to a case, whom to blame stays."""
    bundle, truth = incident("cpu", CONVENTIONS[1], random.Random(3), "cpu")
    for distort in DISTORTIONS.values():
        changed, true = distort(bundle, truth, random.Random(1))
        assert true == truth
        assert changed.services == bundle.services


def test_calm_incidents_have_nobody_to_blame() -> None:
    """Growth within capacity is labelled healthy."""
    assert incident("surge", CONVENTIONS[2], random.Random(2), "surge")[1] == Truth(healthy=True)
