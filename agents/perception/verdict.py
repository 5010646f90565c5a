"""The four things perception may conclude, and a sentence that says why."""

from __future__ import annotations

from collections.abc import Sequence

from agents.perception.facts import Facts
from agents.perception.ranking import Ranked
from agents.perception.symptoms import Symptoms
from domain.diagnosis import DiagnosisVerdict

FAULT = 0.5
"""From this confidence on the leading hypothesis is called the fault."""
HEALTHY = 0.9
DARK_MOST = 0.79
"""Most that health is believed where a service was never seen: what ails it alone nobody else need feel."""


def conclude(
    facts: Facts, symptoms: Symptoms, ranked: Sequence[Ranked], blind: int
) -> tuple[DiagnosisVerdict, float, str]:
    """(verdict, confidence, summary)."""
    top = ranked[0] if ranked else None
    if top is not None and top.confidence >= FAULT:
        if facts.kind(top.claim.service) == "external" or top.claim.external or outside(facts, top.claim.service):
            return DiagnosisVerdict.EXTERNAL, top.confidence, f"The cause lies outside: {top.claim.statement}"
        return DiagnosisVerdict.FAULT, top.confidence, top.claim.statement
    if healthy(facts, symptoms):
        sure = max(0.5, HEALTHY - 0.05 * blind - (0.3 * top.confidence if top else 0.0))
        sure = min(sure, DARK_MOST) if _dark(facts) else sure
        return DiagnosisVerdict.HEALTHY, round(sure, 3), _healthy_words(facts, symptoms)
    if top is None:
        lost = "Somebody suffers, but nothing that was read shows why."
        return (
            DiagnosisVerdict.INCONCLUSIVE,
            0.0,
            lost if symptoms.present else "Too little was read to compare with normal times.",
        )
    words = f"Not sure. Best supported so far: {top.claim.statement}"
    return DiagnosisVerdict.INCONCLUSIVE, top.confidence, words


def outside(facts: Facts, service: str) -> bool:
    """True when the inventory is known and does not contain the service."""
    return bool(facts.bundle.services) and service not in facts.bundle.services and facts.live


def healthy(facts: Facts, symptoms: Symptoms) -> bool:
    """Somebody looked and nobody suffers."""
    if symptoms.present:
        return False
    if facts.live:
        return symptoms.users_fail is False
    return bool(symptoms.contrasts) or facts.comparable or bool(facts.bundle.platform)


def _dark(facts: Facts) -> bool:
    """Is there a service of a recorded incident of which there is nothing at all? Extracted alerts tell only of who alerts."""
    told = facts.bundle.series or facts.bundle.spans or facts.bundle.logs
    return bool(told) and not facts.live and any(s not in facts.seen for s in facts.services)


def _healthy_words(facts: Facts, symptoms: Symptoms) -> str:
    checks = f"all {len(symptoms.passing)} outside checks pass" if symptoms.passing else "no service level got worse"
    recent = [c for c in facts.bundle.changes if c.time.timestamp() >= facts.windows.onset - 600]
    aside = f" A recent {recent[-1].kind} is no cause while users are served." if recent else ""
    return f"Users are served: {checks} and no probe shows anything broken now.{aside}"
