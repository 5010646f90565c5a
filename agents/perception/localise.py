"""Which service, when no reading names it: time, errors, patterns, saturation and extracted alerts, each as a score per service.

Scores (0–1) of different kinds are independent hints and join as a noisy or: `1 − Π(1 − w·s)`. What is normal for a caller of a
sick service is already taken out where a score is made (excess, shifts, gaps), so the joint score names origins, not victims.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Set
from dataclasses import dataclass, replace

from agents.perception.alerts import alerted
from agents.perception.claim import Claim, Sign
from agents.perception.contrast import Contrast
from agents.perception.excess import BEHIND_SILENCE, NOTICEABLE_Z, Excess, excess
from agents.perception.facts import Facts
from agents.perception.patterns import Shift, shifts
from agents.perception.roles import Role, is_requests
from agents.perception.silence import Silent, silent
from agents.perception.symptoms import SERVED, Symptoms, of_contrast
from agents.perception.timing import Slower, slower
from agents.perception.traces import forest
from agents.perception.visits import visits

WEIGHTS = {"time": 0.9, "patterns": 0.8, "latency": 0.9, "errors": 0.9, "saturation": 0.6, "alerts": 0.8,
           "silence": 0.9}  # fmt: skip
SPANS_SAY = 0.35
"""Weight left to latency metrics where spans were compared: they saw the same time directly."""
SURE_Z = {Role.LATENCY: 8.0, Role.ERRORS: 5.0}
"""Deviations that leave no doubt: times have long tails, failures are counted."""
SATURATED_Z = 5.0
GROWN = 1.3
"""Times its expected use that a resource must reach."""
RESOURCES = (Role.SATURATION, None)
UNNAMED = 0.5
"""What a metric counts for whose name tells nothing."""
LEAST = 0.03
UNFELT = 0.25
"""What is left of a saturated resource where its service's own latency and errors are as ever."""
SHARED_OUT = (Role.LATENCY.value, Role.ERRORS.value)
MOSTLY = 0.6
"""Share of its series that must be silent before a service counts as silent itself."""
QUIET = 0.35
"""Weight left when the alerted service's own level is as it always was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """One kind of evidence about one service."""

    kind: str
    service: str
    score: float
    sign: Sign


def localise(facts: Facts, symptoms: Symptoms, without: Set[str] = frozenset()) -> list[Claim]:
    """Claims without a class, for services that signals point at. `without`: kinds of hints left out."""
    return _claims(facts, [h for h in hints(facts, symptoms) if h.kind not in without])


def hints(facts: Facts, symptoms: Symptoms) -> list[Hint]:
    """Every kind of evidence about every service."""
    found: list[Hint] = []
    compared = False
    if facts.bundle.spans:
        trees = forest(facts.bundle.spans)
        slow, growth = slower(facts, trees)
        compared = facts.comparable
        found += _time(slow, growth)
        found += _patterns(shifts(facts, trees))
    elif facts.bundle.logs:
        found += _patterns(shifts(facts, visits(facts)))
    alerted = _alerted(facts)
    mute = silent(facts)
    quiet = {m.service for m in mute if m.share >= MOSTLY}
    for role in (Role.LATENCY, Role.ERRORS):
        weight = 1.0 if alerted in (None, role) else 0.5
        if role is Role.LATENCY and compared:
            weight *= SPANS_SAY
        if _alerted_is_quiet(facts, symptoms, role):
            weight *= QUIET
        found += _excess(excess(facts, list(symptoms.contrasts), role, quiet), role, weight)
    found += _saturation(symptoms)
    behind = {c for s in quiet for c in facts.callers(s)} - quiet
    found = [_less_behind_silence(h) if h.service in behind else h for h in found]
    return [*found, *_silence(facts, symptoms, mute), *_alerts(facts)]


def _less_behind_silence(hint: Hint) -> Hint:
    """Who calls a service that fell silent waits, piles up and complains because of it; its excess is shared out already."""
    return hint if hint.kind in SHARED_OUT else replace(hint, score=(1 - BEHIND_SILENCE) * hint.score)


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


def _time(slow: list[Slower], growth: float) -> Iterable[Hint]:
    for s in slow:
        where = "on its links" if s.links > s.inside else "in its own code"
        yield Hint(
            kind="time", service=s.service, score=s.share * growth / (growth + 0.25),
            sign=Sign(kind="trace", source=f"spans:{s.service}", service=s.service, supports=f"time is lost {where}",
                      excerpt=f"{s.share:.0%} of the added time {where}; {s.example}",
                      data={"inside_s": round(s.inside, 3), "links_s": round(s.links, 3), "share": round(s.share, 3)}),
        )  # fmt: skip


def _patterns(found: dict[str, list[Shift]]) -> Iterable[Hint]:
    for service, group in found.items():
        best: dict[str, Shift] = {}
        for shift in group:
            best.setdefault(shift.operation, shift)
        total = sum(s.score for s in best.values())
        top = group[0]
        yield Hint(
            kind="patterns", service=service, score=total / (total + 15.0),
            sign=Sign(kind="log", source=f"patterns:{service}", service=service, excerpt=top.words,
                      supports="it behaves differently per invocation, and no callee explains it",
                      data={"before": list(top.before), "after": list(top.after), "score": round(total, 2)}, tainted=True),
        )  # fmt: skip


def _excess(found: list[Excess], role: Role, weight: float) -> Iterable[Hint]:
    for e in found:
        if e.share <= 0:
            continue
        sure = min(1.0, max(e.contrast.reach, 0.0) / SURE_Z[role]) * e.contrast.rarity
        yield Hint(
            kind=role.value,
            service=e.service,
            score=weight * e.share * sure,
            sign=of_contrast(e.contrast, _explained(e, role)),
        )


def _explained(e: Excess, role: Role) -> str:
    share = f"{e.share:.0%} of the unexplained excess in {role.value}"
    return f"{share}, seen at {e.unseen}: nothing was seen of {e.service} itself" if e.unseen else share


def _silence(facts: Facts, symptoms: Symptoms, found: list[Silent]) -> Iterable[Hint]:
    """Silence of a service whose callers suffer; of one that nobody misses it is worth little."""
    suffering = {c.service for c in symptoms.contrasts if c.reach >= NOTICEABLE_Z and c.role in SERVED}
    for s in found:
        missed = bool(suffering & set(facts.callers(s.service)) or (suffering and not facts.mapped))
        yield Hint(
            kind="silence", service=s.service, score=s.share * s.sure * (1.0 if missed else 0.3),
            sign=Sign(kind="metric", source=f"metrics:{s.service}", service=s.service,
                      supports="it reports nothing any more" + (" and its callers suffer" if missed else ""),
                      excerpt=f"{s.share:.0%} of its series fell silent ({s.example}: {s.steps} reports expected, none came)",
                      data={"share": round(s.share, 3), "expected": s.steps, "points": [s.before, s.steps]}),
        )  # fmt: skip


def _saturation(symptoms: Symptoms) -> Iterable[Hint]:
    """The resource of each service that is most unusually used, beyond what more requests account for."""
    worst: dict[str, float] = defaultdict(float)
    chosen: dict[str, Contrast] = {}
    highest: dict[str, float] = defaultdict(float)
    growth: dict[str, float] = defaultdict(float)
    busier = _busier(symptoms)
    for c in symptoms.contrasts:
        highest[c.metric] = max(highest[c.metric], c.after)
        growth[c.metric] = max(growth[c.metric], c.after - c.before)
        expected = c.before * max(1.0, busier.get(c.service, 1.0))
        if c.role in RESOURCES and c.z >= SATURATED_Z and c.after >= GROWN * expected and c.z > worst[c.service]:
            worst[c.service], chosen[c.service] = c.z, c
    most = max(worst.values(), default=0.0)
    felt = {c.service for c in symptoms.contrasts if c.role in SERVED and c.reach >= NOTICEABLE_Z and c.rarity > 0}
    told = {c.service for c in symptoms.contrasts if c.role in SERVED}
    for service, c in chosen.items():
        unfelt = service in told and service not in felt  # it is measured, and served as well as ever
        weight = c.rarity * (UNFELT if unfelt else 1.0) * (1.0 if c.role else UNNAMED)
        among = max(
            c.after / highest[c.metric], (c.after - c.before) / growth[c.metric]
        )  # from nearly nothing to little is nothing
        yield Hint(kind="saturation", service=service, score=among * weight * (c.z / most) * c.z / (c.z + 20.0),
                   sign=of_contrast(c, "a resource is used far more than usual"))  # fmt: skip


def _busier(symptoms: Symptoms) -> dict[str, float]:
    """Service → how many times more requests it serves than before."""
    found: dict[str, float] = {}
    for c in symptoms.contrasts:
        if c.role is Role.TRAFFIC and is_requests(c.metric) and c.before > 0:
            found.setdefault(c.service, c.after / c.before)
    return found


def _alerts(facts: Facts) -> Iterable[Hint]:
    for a in alerted(facts):
        names = ", ".join(f"{g.kind} {g.name} {g.direction or g.text}".strip() for g in a.examples)
        yield Hint(
            kind="alerts", service=a.service, score=a.score,
            sign=Sign(kind="alert", source=f"alerts:{a.service}", service=a.service, excerpt=f"its rarest alerts: {names}"[:240],
                      supports="alerts that few others have", data={"share": round(a.score, 3)}, tainted=True),
        )  # fmt: skip


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
