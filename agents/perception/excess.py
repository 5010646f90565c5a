"""Unexplained excess over the call graph.

For latency: seconds added per window, `(after − before) · requests`; for errors: failed requests above the usual. A service's
unexplained excess is its own minus what its deviating callees account for: what a callee added in seconds (or failed requests),
shared among its callers by their own excess. Plain deviation would blame loud neighbours; the remainder points at the origin.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace

from agents.perception.contrast import Contrast
from agents.perception.facts import Facts
from agents.perception.peers import other_end
from agents.perception.roles import Role, is_requests, seen_by_caller
from agents.perception.unseen import Unseen, by_resources, unseen

NOTICEABLE_Z = 3.0
CALLED_Z = 2.0
"""Deviations that suffice for a service whose caller clearly deviates."""
BEHIND_SILENCE = 0.9
"""How much of a caller's excess a callee that fell silent accounts for: nobody can say how much it added."""
_PREFERENCE = (re.compile(r"av(era)?g|mean", re.I), re.compile(r"p?50|median", re.I), re.compile(r"p?9[059]", re.I))


@dataclass(frozen=True, slots=True, kw_only=True)
class Excess:
    """What one service added, what of it nobody below explains, both in units of `role` × requests."""

    service: str
    role: Role
    added: float
    unexplained: float
    share: float
    """Unexplained part of all unexplained excess, 0–1."""
    contrast: Contrast
    callers: tuple[int, int] | None = None
    """Where nothing of `service` itself was seen: how many callers suffer unexplained, and how many are as ever."""
    ceded: float = 0.0
    """Share of its own that is put down to callees of which nothing was seen, 0–1."""


def excess(facts: Facts, contrasts: list[Contrast], role: Role, silent: Set[str] = frozenset()) -> list[Excess]:
    """Excess of every service for one role (LATENCY or ERRORS), largest unexplained first.

    `silent`: services that stopped reporting.
    """
    contrasts = _aimed(facts, contrasts)
    traffic = _traffic(contrasts)
    chosen = _latency(contrasts) if role is Role.LATENCY else _errors(contrasts)
    added: dict[str, float] = {}
    for service in _noticed(facts, chosen):
        c = chosen[service]
        added[service] = _amount(c, role) * (traffic.get(service, 1.0) if _per_request(c) else 1.0)
    added = {s: a for s, a in added.items() if a > 0}
    left, lost = _left(facts, added, silent)
    if (
        not facts.mapped
    ):  # a chain of callers adds the same everywhere: the origin is where it is most of what was usual
        left = {s: a * _growth(chosen[s], role) for s, a in added.items()}
    everything = sum(left.values()) + lost
    found = [
        Excess(service=s, role=role, added=added[s], unexplained=left[s], contrast=chosen[s],
               share=left[s] / everything if everything > 0 else 0.0)
        for s in added
    ]  # fmt: skip
    calm = {s for s, c in chosen.items() if c.reach < CALLED_Z}
    return sorted(_with_unseen(facts, found, calm, by_resources(contrasts)), key=lambda e: (-e.unexplained, e.service))


def _aimed(facts: Facts, contrasts: list[Contrast]) -> list[Contrast]:
    """What callers measured of their calls, by the labels: the callee's, where it tells nothing like it itself; not their own."""
    ends = [(c, other_end(c.metric, c.service, facts.services)) for c in contrasts]
    own = [c for c, end in ends if not end]
    known = {(c.service, c.role) for c in own}
    told = [replace(c, service=end, seen_at=c.service) for c, end in ends if end and (end, c.role) not in known]
    return [*own, *sorted(told, key=lambda c: -c.reach)]


def _noticed(facts: Facts, chosen: dict[str, Contrast]) -> list[str]:
    """Services that clearly deviate, and from them down the calls those that do so less clearly (hysteresis, Canny 1986)."""
    found = dict.fromkeys(s for s, c in chosen.items() if c.reach >= NOTICEABLE_Z)
    todo = list(found)
    while todo:
        for callee in facts.seen_callees(todo.pop()):
            if callee in chosen and callee not in found and chosen[callee].reach >= CALLED_Z:
                found[callee] = None
                todo.append(callee)
    return list(found)


def _left(facts: Facts, added: dict[str, float], silent: Set[str]) -> tuple[dict[str, float], float]:
    """What callees do not account for, per service; and how much in all is put down to those that fell silent."""
    explained: dict[str, float] = defaultdict(float)
    for callee, amount in added.items():
        callers = [c for c in dict.fromkeys(facts.seen_callers(callee)) if c in added and c != callee]
        total = sum(added[c] for c in callers)
        for caller in callers:
            explained[caller] += amount * added[caller] / total if total else 0.0
    left = {s: max(0.0, a - explained[s]) for s, a in added.items()}
    lost = 0.0
    for service in added:
        if silent & set(facts.callees(service)):
            kept = min(left[service], (1 - BEHIND_SILENCE) * added[service])
            lost += left[service] - kept
            left[service] = kept
    return left, lost


def _with_unseen(facts: Facts, found: list[Excess], calm: Set[str], strained: Mapping[str, float]) -> list[Excess]:
    """The excess of each, less what of it is put down to callees of which nothing was seen; and theirs."""
    mine = {e.service: e for e in found if e.unexplained > 0}
    blind = unseen(facts, {s: e.unexplained / e.added for s, e in mine.items()}, calm, strained)
    given = {s: sum(u.parts.get(s, 0.0) for u in blind) for s in mine}
    kept = [_scaled(replace(e, ceded=given.get(e.service, 0.0)), 1 - given.get(e.service, 0.0)) for e in found]
    return [*kept, *(_of_unseen(u, mine) for u in blind)]


def _of_unseen(blind: Unseen, mine: Mapping[str, Excess]) -> Excess:
    """Its callers' parts in one, shown by the caller that gives most."""
    parts = [_scaled(mine[caller], part) for caller, part in blind.parts.items()]
    return replace(
        max(parts, key=lambda e: e.unexplained),
        service=blind.service,
        unexplained=sum(e.unexplained for e in parts),
        share=sum(e.share for e in parts),
        callers=(blind.troubled, blind.calm),
    )


def _scaled(e: Excess, factor: float) -> Excess:
    return replace(e, share=factor * e.share, unexplained=factor * e.unexplained)


def _amount(c: Contrast, role: Role) -> float:
    if role is Role.LATENCY:
        return c.after - c.before
    more = c.before - c.after if c.role is Role.AVAILABILITY else c.after - c.before
    return more / c.whole if _per_request(c) else more


def _growth(c: Contrast, role: Role) -> float:
    """How many times larger it became (logarithm), or the share that fails now."""
    if role is Role.ERRORS:
        return _amount(c, role)
    return math.log(max(c.after, 1e-9) / max(c.before, 1e-9)) if c.after > c.before else 0.0


def _per_request(c: Contrast) -> bool:
    """Is it told per request (seconds, shares), or already for all of them (failed requests)?"""
    return c.role is not Role.ERRORS or c.share


def _latency(contrasts: list[Contrast]) -> dict[str, Contrast]:
    return _best(c for c in contrasts if c.role is Role.LATENCY and (c.seen_at or not seen_by_caller(c.metric)))


def _errors(contrasts: list[Contrast]) -> dict[str, Contrast]:
    """Per service its own share of failures or what is seen of it from outside, whichever clearly deviates and is worse; else
    failures by count.

    What hangs or is gone counts no failures of its own, and a refusal (429) is often none to who refuses.
    """
    told = _best(c for c in contrasts if c.role is Role.ERRORS and c.share)
    seen = _best(c for c in contrasts if c.role is Role.AVAILABILITY)
    worse = {s: max(told[s], seen[s], key=_clearly_worse) for s in told.keys() & seen.keys()}
    shares = told | seen | worse
    counts = sorted((c for c in contrasts if c.role is Role.ERRORS and not c.share), key=lambda c: c.reach)
    silent = {c.service: c for c in counts if c.service not in shares or shares[c.service].reach < NOTICEABLE_Z}
    return shares | silent


def _clearly_worse(c: Contrast) -> tuple[bool, float]:
    return c.reach >= NOTICEABLE_Z, _amount(c, Role.ERRORS)


def _traffic(contrasts: list[Contrast]) -> dict[str, float]:
    found: dict[str, float] = {}
    for c in contrasts:
        if c.role is Role.TRAFFIC and is_requests(c.metric):
            found.setdefault(c.service, max(c.after, 1e-9))
    return found


def _best(contrasts: Iterable[Contrast]) -> dict[str, Contrast]:
    chosen: dict[str, Contrast] = {}
    for c in contrasts:
        known = chosen.get(c.service)
        if known is None or _rank(c.metric) < _rank(known.metric):
            chosen[c.service] = c
    return chosen


def _rank(metric: str) -> int:
    return next((i for i, p in enumerate(_PREFERENCE) if p.search(metric)), len(_PREFERENCE))
