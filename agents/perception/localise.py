"""Which service, when no reading names it: time, errors, patterns, saturation and extracted alerts, each as a score per service.

Scores (0–1) of different kinds are independent hints and join as a noisy or: `1 − Π(1 − w·s)`. What is normal for a caller of a
sick service is already taken out where a score is made (excess, shifts, gaps), so the joint score names origins, not victims.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Set
from dataclasses import replace

from agents.perception.claim import Claim
from agents.perception.excess import BEHIND_SILENCE, NOTICEABLE_Z, Excess, excess
from agents.perception.facts import Facts
from agents.perception.hints import (
    Hint,
    of_alerts,
    of_excess,
    of_patterns,
    of_saturation,
    of_silence,
    of_time,
    of_vanished,
)
from agents.perception.patterns import shifts
from agents.perception.roles import Role, fills_by_waiting
from agents.perception.silence import silent
from agents.perception.symptoms import Symptoms
from agents.perception.timing import slower
from agents.perception.traces import forest, whole_traces
from agents.perception.vanished import Vanished, vanished
from agents.perception.visits import visits

WEIGHTS = {"time": 0.9, "patterns": 0.8, "latency": 0.9, "errors": 0.9, "saturation": 0.6, "alerts": 0.8,
           "silence": 0.9}  # fmt: skip
SPANS_SAY = 0.35
"""Weight left to latency metrics where spans were compared: they saw the same time directly."""
LEAST = 0.03
MOSTLY = 0.6
"""Share of its series that must be silent before a service counts as silent itself."""
LIKELIER = 0.5
"""Share of a caller's excess from which on callees that cannot be seen account for what else it shows, too."""
WHOLE = 0.9
"""Share of spans whose parent was kept: below it too many invocations are torn to tell what they usually do."""
QUIET = 0.35
"""Weight left when the alerted service's own level is as it always was."""


def localise(facts: Facts, symptoms: Symptoms, without: Set[str] = frozenset()) -> list[Claim]:
    """Claims without a class, for services that signals point at. `without`: kinds of hints left out."""
    return _claims(facts, [h for h in hints(facts, symptoms) if h.kind not in without])


def hints(facts: Facts, symptoms: Symptoms) -> list[Hint]:
    """Every kind of evidence about every service."""
    inner, gone = _from_within(facts)
    mute = silent(facts)
    quiet = {m.service for m in mute if m.share >= MOSTLY} | {v.service for v in gone if v.sure >= MOSTLY}
    shared = {role: excess(facts, list(symptoms.contrasts), role, quiet) for role in (Role.LATENCY, Role.ERRORS)}
    waits = _waits(facts, shared[Role.LATENCY])
    used = [_less(h, waits.get(h.service, 0.0)) if _waiting(h) else h for h in of_saturation(symptoms)]
    ceded = _ceded(facts, [e for found in shared.values() for e in found], quiet)
    return [
        *(_less(h, ceded.get(h.service, 0.0)) for h in (*inner, *used)),
        *(h for role, found in shared.items() for h in of_excess(found, role, _weight(facts, symptoms, role))),
        *of_silence(facts, symptoms, mute),
        *of_vanished(gone),
        *of_alerts(facts),
    ]


def _from_within(facts: Facts) -> tuple[list[Hint], list[Vanished]]:
    """What traces show from inside of services, and who vanished from them. Where few are whole, lines show the patterns."""
    spans, logs = facts.bundle.spans, facts.bundle.logs
    trees = forest(spans) if spans else visits(facts)
    kept = trees if not spans or not logs or whole_traces(spans) >= WHOLE else visits(facts)
    found = [*of_time(*slower(facts, trees)), *of_patterns(shifts(facts, kept))]
    return found, vanished(facts, trees)


def _waits(facts: Facts, slow: list[Excess]) -> dict[str, float]:
    """Service → share of its added latency that others account for; nothing without a call graph."""
    return {e.service: 1 - e.unexplained / e.added for e in slow if e.callers is None} if facts.mapped else {}


def _ceded(facts: Facts, shared: list[Excess], quiet: Set[str]) -> dict[str, float]:
    """Caller → how much of what it shows is put down to a callee that cannot be seen, or that fell silent."""
    found: dict[str, float] = {}
    for e in shared:
        if e.ceded > max(LIKELIER, found.get(e.service, 0.0)):
            found[e.service] = e.ceded
    return found | {c: BEHIND_SILENCE for s in quiet for c in facts.callers(s) if c not in quiet}


def _less(hint: Hint, share: float) -> Hint:
    """The hint without the share of it that others account for: who waits for them piles up and complains."""
    return replace(hint, score=(1 - share) * hint.score)


def _waiting(hint: Hint) -> bool:
    return fills_by_waiting(str(hint.sign.data["metric"]))


def _weight(facts: Facts, symptoms: Symptoms, role: Role) -> float:
    """What the excess in one role counts: less where another was alerted, or spans saw the same time directly."""
    weight = 1.0 if _alerted(facts) in (None, role) else 0.5
    if role is Role.LATENCY and facts.comparable:
        weight *= SPANS_SAY
    return weight * (QUIET if _alerted_is_quiet(facts, symptoms, role) else 1.0)


def _alerted_is_quiet(facts: Facts, symptoms: Symptoms, role: Role) -> bool:
    service = facts.bundle.alert.service if facts.bundle.alert else ""
    roles = {Role.LATENCY} if role is Role.LATENCY else {Role.ERRORS, Role.AVAILABILITY}
    mine = [c for c in symptoms.contrasts if c.service == service and c.role in roles]
    return bool(mine) and all(c.reach < NOTICEABLE_Z or c.rarity < 0.5 for c in mine)


def _alerted(facts: Facts) -> Role | None:
    metric = (facts.bundle.alert.metric if facts.bundle.alert else "").lower()
    if any(w in metric for w in ("availab", "error", "5xx", "fail")):
        return Role.ERRORS
    return Role.LATENCY if any(w in metric for w in ("latency", "duration", "p9")) else None


def _claims(facts: Facts, found: list[Hint]) -> list[Claim]:
    by_service: dict[str, list[Hint]] = defaultdict(list)
    for hint in found:
        by_service[hint.service].append(hint)
    allowed = set(facts.services)
    claims = []
    for service, group in by_service.items():
        joint = 1.0
        for hint in group:
            joint *= 1 - WEIGHTS[hint.kind] * min(1.0, hint.score)
        if service not in allowed or 1 - joint < LEAST:
            continue
        group.sort(key=lambda h: -h.score)
        claims.append(
            Claim(
                service=service, fault_class=None, strength=min(0.9, 1 - joint), indicator=group[0].kind,
                statement=f"{service} is where the trouble starts: {group[0].sign.supports}.",
                signs=tuple(h.sign for h in group[:5]), needs_symptom=True,
                falsify=f"{service} behaves as before while its callers still suffer",
                probe=("process_state", service, "nothing unusual"),
            )
        )  # fmt: skip
    return sorted(claims, key=lambda c: (-c.strength, c.service))[:12]
