"""The cheapest looks that would refute the leading hypotheses."""

from __future__ import annotations

from collections.abc import Sequence

from agents.perception.facts import Facts
from agents.perception.ranking import Ranked
from domain.diagnosis import NextProbe


def next_probes(facts: Facts, ranked: Sequence[Ranked], limit: int = 5) -> list[NextProbe]:
    """One probe per leading hypothesis, without repetition.

    Those come first that nobody has an answer of: only they can still surprise. Among them, as among the others, the leading
    hypothesis is questioned before its rivals.
    """
    found: dict[tuple[str, str], NextProbe] = {}
    for entry in ranked[:limit]:
        if entry.claim.probe is None:
            continue
        probe, service, result = entry.claim.probe
        words = f"refuted if it shows {result}: {entry.claim.statement}"
        found.setdefault((probe, service), NextProbe(probe=probe, service=service, refutes=words[:300]))
    return sorted(found.values(), key=lambda p: facts.reading(p.probe, p.service) is not None)
