"""From claims to an order: one hypothesis per service and class, strongest first, with a calibrated confidence."""

from __future__ import annotations

from dataclasses import dataclass, replace

from agents.perception.claim import Claim
from agents.perception.confidence import competing
from agents.perception.facts import Facts
from agents.perception.propagation import Explained, propagate
from agents.perception.symptoms import Symptoms

SHOWN = 8
"""Hypotheses shown at most."""
FAINT = 0.04
SAID = 0.5
"""Strength from which a rule's claim takes up signals about the same service."""
CURIOUS = 0.3
"""Factor for a claim that needs somebody to suffer when nobody does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A claim, its confidence, and what explains it away."""

    claim: Claim
    confidence: float
    by: Claim | None = None


def rank(facts: Facts, symptoms: Symptoms, claims: list[Claim]) -> list[Ranked]:
    """Claims in order. Where nobody suffers, claims that need a sufferer stay as faint notes."""
    settled = [_settle(facts, symptoms, c) for c in merge(claims)]
    explained = propagate(facts, [c for c in settled if c.strength > FAINT])
    ordered = sorted(explained, key=_order)[:SHOWN]
    strengths = [e.claim.strength for e in ordered]
    return [
        Ranked(claim=e.claim, confidence=competing(strengths, i, e.by is not None), by=e.by)
        for i, e in enumerate(ordered)
    ]


def merge(claims: list[Claim]) -> list[Claim]:
    """One claim per service and class: the strongest, with the signs of all."""
    kept: dict[tuple[str, str | None, str | None], Claim] = {}
    for claim in sorted(claims, key=lambda c: -c.strength):
        key = (claim.service, claim.fault_class, claim.change)
        known = kept.get(key)
        if known is None:
            kept[key] = claim
            continue
        extra = tuple(s for s in claim.signs if s not in known.signs)
        findings = known.findings + tuple(f for f in claim.findings if f not in known.findings)
        kept[key] = replace(
            known,
            signs=(*known.signs, *extra),
            findings=findings,
            direct=known.direct or claim.direct,
            strength=max(known.strength, min(0.97, known.strength + 0.03)),
        )
    return _classified(list(kept.values()))


def _classified(claims: list[Claim]) -> list[Claim]:
    """Signals that only say where are evidence of what a rule says about the same service, and no rival of it."""
    said: dict[str, Claim] = {}
    for claim in claims:
        if claim.findings and claim.fault_class and claim.strength >= SAID:
            said.setdefault(claim.service, claim)
    mere = {c.service: c for c in claims if c.fault_class is None and c.change is None and c.service in said}
    joined = {
        id(said[s]): replace(said[s], signs=(*said[s].signs, *c.signs[:3]), strength=max(said[s].strength, c.strength))
        for s, c in mere.items()
    }
    gone = {id(c) for c in mere.values()}
    return [joined.get(id(c), c) for c in claims if id(c) not in gone]


def _settle(facts: Facts, symptoms: Symptoms, claim: Claim) -> Claim:
    if not facts.live or not claim.needs_symptom:
        return claim
    if not symptoms.present:
        return claim.scaled(CURIOUS)
    # Somebody suffers, but nobody who depends on this service.
    touched = {claim.service, *facts.dependants(claim.service)} | {f.target for f in claim.findings}
    for owner in [f.target for f in claim.findings if f.target]:
        touched |= facts.dependants(owner)
    if facts.bundle.edges and not touched & set(symptoms.services()):
        return claim.scaled(0.6)
    return claim


def _order(entry: Explained) -> tuple[float, str, str]:
    claim = entry.claim
    return (-claim.strength - 0.02 * claim.direct, claim.service, claim.fault_class or "")
