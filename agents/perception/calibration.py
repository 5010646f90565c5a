"""From the strength of evidence to a probability of being right, for diagnoses that rest on signals.

Platt scaling (Platt 1999) over a few features of the evidence: logistic regression, fitted on labelled cases as they are, with
sources taken away, so that a missing source lowers the answer by what it cost there, and on fault-free windows, where every top is
wrong. No weight goes against what its feature means (`SIGNS`): with less to see the probability never rises. The weights are data,
`calibration.json`; the script that fits and checks them out of fold is `benchmarks/diagnosis/calibrate.py`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from agents.perception.facts import Facts
from agents.perception.ranking import Ranked
from agents.perception.symptoms import Symptoms
from agents.perception.traces import whole_traces

MANY = 60
"""Points of a series from which on more tell nothing more."""
OF_ITSELF = frozenset({"saturation", "silence"})
"""What a service shows of itself: no unseen neighbour explains it as it does waiting and failing."""
SIGNS = {
    "strength": 1, "lead": 1, "clear": 1, "kinds": 1, "words": 1, "felt": 1, "whole": 1, "points before": 1, "points during": 1,
    "unspoken": -1, "unseen rival": -1, "unseen, of itself": -1,
}  # fmt: skip
"""Which way a feature may move the probability: more to see never lowers it, more that is unseen never raises it."""
WEIGHTS = Path(__file__).with_name("calibration.json")


def features(facts: Facts, suffering: Symptoms, ranked: Sequence[Ranked]) -> dict[str, float]:
    """What the top's chance of being right depends on; every feature lies in 0–1.

    Whether a source is there at all is none of them: a missing one shows in strength and lead, and must never raise confidence.
    """
    top = ranked[0]
    rivals = [r.claim.strength for r in ranked[1:] if r.claim.service != top.claim.service]
    lead = top.claim.strength - max(rivals, default=0.0)
    bundle = facts.bundle
    kinds = {s.kind for s in top.claim.signs}
    alerts_only = bool(bundle.signals) and not (bundle.series or bundle.spans or bundle.logs)
    unseen = not alerts_only and bool(_rivals(facts, ranked) - facts.measured)
    of_itself = top.claim.indicator in OF_ITSELF
    words = any(s.kind == "log" and s.service == top.claim.service for s in bundle.signals)
    points = [s.data["points"] for s in top.claim.signs if "points" in s.data]
    before, during = (max((p[i] for p in points), default=MANY) for i in (0, 1))
    return {
        "strength": top.claim.strength,
        "lead": lead,
        "clear": lead / top.claim.strength if top.claim.strength > 0 else 0.0,
        "alone": float(not rivals),
        "kinds": min(1.0, (len(kinds) - 1) / 2) if kinds else 0.0,
        "words": float(words),
        "unspoken": float(not words and any(s.kind != "metric" for s in bundle.signals)),
        "unseen rival": float(unseen and not of_itself),
        "unseen, of itself": float(unseen and of_itself),
        "felt": float(suffering.present),
        "whole": whole_traces(bundle.spans),
        "points before": _many(before),
        "points during": _many(during),
    }


def _rivals(facts: Facts, ranked: Sequence[Ranked]) -> set[str]:
    """Services that could be meant as well: the leading ones, and what the first calls (any, where no graph is known)."""
    top = ranked[0].claim.service
    return {r.claim.service for r in ranked[:4]} | set(facts.callees(top) if facts.mapped else facts.services)


def _many(points: int) -> float:
    """0 for one point, 1 for MANY and more, logarithmic between."""
    return min(1.0, math.log(max(1, points)) / math.log(MANY))


def probability(found: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """Logistic function of the weighted sum; `bias` is added."""
    total = weights.get("bias", 0.0) + sum(weights.get(name, 0.0) * value for name, value in found.items())
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))


@cache
def weights() -> Mapping[str, float]:
    """The fitted weights."""
    return dict(json.loads(WEIGHTS.read_text())["weights"])


def calibrated(facts: Facts, suffering: Symptoms, ranked: Sequence[Ranked], ceiling: float) -> list[float]:
    """Confidence of every entry: the top's probability, and what it leaves shared among the others by their strength.

    A rival with nearly the top's strength may hold nearly as much, never more.
    """
    if not ranked:
        return []
    sure = min(ceiling, probability(features(facts, suffering, ranked), weights()))
    rest = sum(r.confidence for r in ranked[1:])
    left = [(1 - sure) * r.confidence / rest if rest > 0 else 0.0 for r in ranked[1:]]
    return [round(sure, 3), *(round(min(sure, share), 3) for share in left)]
