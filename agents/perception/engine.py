"""The way from a bundle to a diagnosis: facts, symptoms, claims, propagation, ranking, verdict."""

from __future__ import annotations

import time
from collections.abc import Mapping, Set
from dataclasses import replace

from agents.perception.attribution import attribute, take_up
from agents.perception.blindness import blind_spots, missing, out_of_sight, rival_below, strain, weighing
from agents.perception.calibration import calibrated
from agents.perception.claim import Claim, Sign
from agents.perception.confidence import CEILING, less_when_blind, less_when_strained, less_without
from agents.perception.crediting import credit
from agents.perception.evidence import EvidenceBook, plain
from agents.perception.facts import Facts
from agents.perception.history import History
from agents.perception.impact import blast_radius
from agents.perception.localise import localise
from agents.perception.probing import next_probes
from agents.perception.ranking import Ranked, rank
from agents.perception.rules import claims
from agents.perception.symptoms import Symptoms, as_signs, symptoms
from agents.perception.verdict import conclude
from domain.bundle import Bundle
from domain.diagnosis import Diagnosis, Hypothesis
from domain.second_opinion import DiffReading

BESIDE_READING = 0.35
"""What is left of a signal's own claim where a probe reads something broken now: the present state beats a correlation."""
READ_AT_ALL = 0.5
"""Strength from which a direct claim counts as such a reading."""
UNREAD_MOST = 0.79
"""Most that signals alone are believed where probes read nothing of it, or it or a rival could not be seen: less than sure."""
FEW_CHANGES = 0.79
"""Most that a change at fault is believed on signals alone: the labelled cases with changes are too few to promise nine in ten."""
BESIDE_HISTORY = 0.5
"""What is left of a signal's own claim where past incidents were asked about the same signals."""


def diagnose(
    bundle: Bundle,
    *,
    history: History | None = None,
    diffs_read: Mapping[str, DiffReading] | None = None,
    previous: Diagnosis | None = None,
    without: Set[str] = frozenset(),
) -> Diagnosis:
    """Ranked hypotheses with evidence for and against, and a verdict.

    `history`: labelled past incidents to learn from. `diffs_read`: change id → what a mind made of its diff; decides only
    between changes that evidence holds about equal. `previous`: the last diagnosis of the same incident; its evidence keeps
    its ids.
    `without`: methods left out (`ablation.METHODS`).
    Pure but for reading a monotonic clock.
    """
    started = time.perf_counter()
    facts = Facts(bundle, diffs_read)
    suffering, ranked = consider(facts, history, without)
    blind = blind_spots(facts)
    ranked = _sure(facts, suffering, ranked, blind)
    verdict, confidence, summary = conclude(facts, suffering, ranked, len(blind))
    book = EvidenceBook(previous)
    for sign in [*_alert(bundle), *as_signs(suffering)]:
        book.cite(sign)
    hypotheses = [_hypothesis(i, entry, book) for i, entry in enumerate(ranked, 1)]
    cited = {e for h in hypotheses for e in (*h.evidence, *h.against)}
    return Diagnosis(
        incident=bundle.id,
        verdict=verdict,
        confidence=confidence,
        summary=summary,
        hypotheses=hypotheses,
        evidence=book.entries(cited),
        blast_radius=blast_radius(facts, suffering, hypotheses[0].service if hypotheses else None),
        next_probes=next_probes(facts, ranked),
        blind_spots=blind,
        seconds=round(time.perf_counter() - started, 4),
    )


def consider(facts: Facts, history: History | None, without: Set[str] = frozenset()) -> tuple[Symptoms, list[Ranked]]:
    """Symptoms, and hypotheses in order with the strength of their evidence; how sure that makes us is another question."""
    suffering = symptoms(facts)
    return suffering, rank(facts, suffering, _all_claims(facts, suffering, history, without))


def _all_claims(facts: Facts, suffering: Symptoms, history: History | None, without: Set[str]) -> list[Claim]:
    """Rules, signals, past incidents and changes; a change at fault takes up what else is said about its service.

    In a live incident nobody asks for the change; it is named where it fits.
    """
    signals = localise(facts, suffering, without)
    read = [] if "rules" in without else claims(facts, suffering)
    if facts.live and any(c.direct and c.strength >= READ_AT_ALL for c in read):
        signals = [c.scaled(BESIDE_READING) for c in signals]
    learnt = history.suggest(facts) if history is not None and "history" not in without else []
    if learnt:  # the learner weighed the same signals already
        signals = [c.scaled(BESIDE_HISTORY) for c in signals]
    said = [*read, *signals, *learnt]
    if "change attribution" in without:
        return said
    return take_up(attribute(facts), said) if facts.bundle.changes_asked else credit(facts, said)


def _hypothesis(number: int, entry: Ranked, book: EvidenceBook) -> Hypothesis:
    claim = entry.claim
    evidence = list(dict.fromkeys(book.cite(s) for s in claim.signs))
    against = list(dict.fromkeys(book.cite(s) for s in claim.doubts))
    details = plain(claim.details)
    conditions = [
        f.model_copy(update={"facts": plain(f.facts), "evidence": evidence}).model_dump(mode="json")
        for f in claim.findings
    ]
    if conditions:
        details["conditions"] = conditions
    return Hypothesis(
        rank=number,
        service=claim.service,
        indicator=claim.indicator,
        fault_class=claim.fault_class,
        change=claim.change,
        confidence=entry.confidence,
        statement=claim.statement,
        evidence=evidence,
        against=[a for a in against if a not in evidence],
        falsify=claim.falsify,
        details=details,
    )


def _sure(facts: Facts, suffering: Symptoms, ranked: list[Ranked], blind: list[str]) -> list[Ranked]:
    if any(e.claim.direct for e in ranked[:1]) or facts.live:
        return [_dimmed(facts, entry, blind) for entry in ranked]
    # Signals alone: what they are worth was measured on labelled cases, gaps included.
    ceiling = FEW_CHANGES if facts.bundle.changes_asked else CEILING
    if ranked and (out_of_sight(facts, ranked[0].claim) or rival_below(facts, ranked)):
        ceiling = min(ceiling, UNREAD_MOST)
    said = zip(ranked, calibrated(facts, suffering, ranked, ceiling), strict=True)
    return [_less(facts, replace(entry, confidence=p)) for entry, p in said]


def _dimmed(facts: Facts, entry: Ranked, blind: list[str]) -> Ranked:
    claim = entry.claim
    sure = less_when_blind(entry.confidence, weighing(facts, blind, claim.service))
    if claim.fault_class is None:
        sure = min(sure, UNREAD_MOST)
    if claim.by_silence:
        sure = less_when_strained(sure, strain(facts, claim.service))
    return _less(facts, replace(entry, confidence=sure))


def _less(facts: Facts, entry: Ranked) -> Ranked:
    """What is left where sources are missing that this installation has."""
    lacking = missing(facts, entry.claim.service)
    return replace(entry, confidence=less_without(entry.confidence, lacking, direct=entry.claim.direct))


def _alert(bundle: Bundle) -> list[Sign]:
    alert = bundle.alert
    if alert is None or not (alert.service or alert.summary):
        return []
    return [
        Sign(
            kind="alert",
            source="alert",
            service=alert.service,
            time=alert.started_at,
            excerpt=(alert.summary or f"{alert.service} {alert.metric}")[:240],
            supports="what was alerted: a symptom",
            data={"metric": alert.metric, "observed": alert.observed, "threshold": alert.threshold},
            tainted=True,
        )
    ]
