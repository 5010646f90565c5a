"""Changes in a live incident: which of them could have done what the claims say, by what their diffs do.

Nobody asked which change it was, so none is made to answer: what probes read leads, and a change is named where it went to the
same service in time and its diff could do it. A change that nothing else speaks of stays a suspicion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agents.perception.attribution import LEAD, NAMED, Suspect, reading_of, suspects, tipped
from agents.perception.claim import Claim, of_change
from agents.perception.diffs import sides
from agents.perception.facts import Facts
from domain.alert import Change

SUPPORT = 0.5
"""How much of a change's score counts for a claim that rests on signals alone (as in `attribution.take_up`)."""
MOST = 0.79
"""What such a claim is worth at most."""
SUSPICION = 0.6
"""What is left of the score of a change that no other evidence speaks of: never enough for a verdict."""
OF_CHANGES = frozenset(
    {"missing_env", "wrong_env", "bad_release", "slow_release", "failed_migration", "schema_mismatch", None}
)
"""Classes that a change brings about; None: signals point at the service and nothing says how."""


def credit(facts: Facts, claims: list[Claim]) -> list[Claim]:
    """The claims, each about a changed service with its change; one more where nobody speaks of the likeliest change."""
    if not facts.live:
        return claims
    able = [s for s in suspects(facts) if s.effect.read and s.score >= NAMED and not _undone(facts, s.change)]
    named = tipped(able, facts.diffs_read)
    credited = [_credited(facts, claim, named) for claim in claims]
    if named and all(c is old for c, old in zip(credited, claims, strict=True)) and _leads(named):
        credited.append(_suspicion(facts, named[0]))
    return credited


def _undone(facts: Facts, change: Change) -> bool:
    """Whether a later change of the same service took it back before the trouble."""
    later = [
        c for c in facts.changes(change.service) if change.time < c.time and c.time.timestamp() <= facts.windows.onset
    ]
    removed, added = sides(change.diff)
    return any(sides(c.diff) == (added, removed) for c in later)


def _leads(named: Sequence[Suspect]) -> bool:
    return len(named) == 1 or named[0].score >= LEAD * named[1].score


def _credited(facts: Facts, claim: Claim, named: Sequence[Suspect]) -> Claim:
    mine = next((s for s in named if s.service == claim.service and claim.change in (None, s.change.id)), None)
    if mine is None or claim.fault_class not in OF_CHANGES:
        return claim
    sign = of_change(mine.change, mine.effect.kind)
    joint = 1 - (1 - claim.strength) * (1 - SUPPORT * mine.score)
    return replace(
        claim,
        change=mine.change.id,
        signs=(sign, *(s for s in claim.signs if s.source != sign.source)),
        strength=claim.strength if claim.fault_class else max(claim.strength, min(MOST, joint)),
        details={**claim.details, **reading_of(facts, mine.change)},
    )


def _suspicion(facts: Facts, suspect: Suspect) -> Claim:
    change = suspect.change
    return Claim(
        service=suspect.service,
        fault_class="bad_release",
        change=change.id,
        indicator="change",
        strength=SUSPICION * suspect.score,
        needs_symptom=True,
        statement=f"{change.summary or change.id}: {suspect.effect.kind}, shortly before the trouble.",
        signs=(of_change(change, suspect.effect.kind),),
        falsify=f"{suspect.service} without this change fails in the same way",
        probe=("release", suspect.service, "the version before fails as well"),
        details=reading_of(facts, change),
    )
