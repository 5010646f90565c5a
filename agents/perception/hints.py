"""Hints: what one method says about one service, as a score and the sign that shows it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from agents.perception.alerts import alerted
from agents.perception.claim import Sign
from agents.perception.contrast import Contrast
from agents.perception.excess import NOTICEABLE_Z, Excess
from agents.perception.facts import Facts
from agents.perception.patterns import Shift
from agents.perception.roles import Role, is_requests
from agents.perception.silence import Silent
from agents.perception.symptoms import SERVED, Symptoms, of_contrast
from agents.perception.timing import Slower
from agents.perception.vanished import Vanished

SURE_Z = {Role.LATENCY: 8.0, Role.ERRORS: 5.0}
"""Deviations that leave no doubt: times have long tails, failures are counted."""
SATURATED_Z = 5.0
GROWN = 1.3
"""Times its expected use that a resource must reach."""
RESOURCES = (Role.SATURATION, None)
UNNAMED = 0.5
"""What a metric counts for whose name tells nothing."""
UNFELT = 0.25
"""What is left of a saturated resource where its service's own latency and errors are as ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """One kind of evidence about one service."""

    kind: str
    service: str
    score: float
    sign: Sign


def of_time(slow: list[Slower], growth: float) -> Iterable[Hint]:
    for s in slow:
        where = "on its links" if s.links > s.inside else "in its own code"
        yield Hint(
            kind="time", service=s.service, score=s.share * growth / (growth + 0.25),
            sign=Sign(kind="trace", source=f"spans:{s.service}", service=s.service, supports=f"time is lost {where}",
                      excerpt=f"{s.share:.0%} of the added time {where}; {s.example}",
                      data={"inside_s": round(s.inside, 3), "links_s": round(s.links, 3), "share": round(s.share, 3)}),
        )  # fmt: skip


def of_patterns(found: dict[str, list[Shift]]) -> Iterable[Hint]:
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


def of_excess(found: list[Excess], role: Role, weight: float) -> Iterable[Hint]:
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
    if e.callers is None:
        return f"{e.share:.0%} of the unexplained excess in {role.value}"
    troubled, calm = e.callers
    ails = "are slow" if role is Role.LATENCY else "fail"
    return (f"no signal of its own, but {troubled} of its {troubled + calm} callers {ails}, and nothing that they call and "
            "that can be seen explains it")  # fmt: skip


def of_silence(facts: Facts, symptoms: Symptoms, found: list[Silent]) -> Iterable[Hint]:
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


def of_vanished(found: list[Vanished]) -> Iterable[Hint]:
    for v in found:
        who = ", ".join(v.callers[:4])
        yield Hint(
            kind="silence", service=v.service, score=v.sure,
            sign=Sign(kind="trace", source=f"spans:{v.service}", service=v.service,
                      supports="no call reaches it any more, though who calls it still runs",
                      excerpt=f"none of about {v.due:.0f} calls expected from {who}", data={"expected": round(v.due, 1)}),
        )  # fmt: skip


def of_saturation(symptoms: Symptoms) -> Iterable[Hint]:
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


def of_alerts(facts: Facts) -> Iterable[Hint]:
    for a in alerted(facts):
        names = ", ".join(f"{g.kind} {g.name} {g.direction or g.text}".strip() for g in a.examples)
        yield Hint(
            kind="alerts", service=a.service, score=a.score,
            sign=Sign(kind="alert", source=f"alerts:{a.service}", service=a.service, excerpt=f"its rarest alerts: {names}"[:240],
                      supports="alerts that few others have", data={"share": round(a.score, 3)}, tainted=True),
        )  # fmt: skip
