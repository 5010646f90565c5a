"""Blast radius: who suffers, in names and in numbers."""

from __future__ import annotations

from agents.perception.facts import Facts
from agents.perception.roles import Role
from agents.perception.symptoms import Symptoms
from domain.diagnosis import BlastRadius


def blast_radius(facts: Facts, symptoms: Symptoms, culprit: str | None) -> BlastRadius:
    """Suffering services, then those that depend on the culprit; users in words where a number is known."""
    suffering = symptoms.services()
    reach = sorted(facts.dependants(culprit)) if culprit else []
    services = list(dict.fromkeys([*suffering, *(r for r in reach if facts.live)]))
    return BlastRadius(services=services, users=users(symptoms))


def users(symptoms: Symptoms) -> str | None:
    """`3 of 4 checks of what users do fail; 38 % of requests to api fail`, or None when unknown."""
    words = []
    facing = [r for r in (*symptoms.failing, *symptoms.passing) if r.values.get("user_facing")]
    if facing:
        failed = sum(r.ok is False for r in facing)
        words.append(f"{failed} of {len(facing)} checks of what users do fail")
    shares = [c for c in symptoms.suffering if c.role is Role.ERRORS and c.share]
    if shares:
        worst = max(shares, key=lambda c: c.tail)
        scale = 100.0 if worst.tail <= 1.0 else 1.0
        words.append(f"{worst.tail * scale:.0f} % of requests to {worst.service} fail")
    return "; ".join(words) or None
