"""Services of which nothing was seen, as suspects: the excess of their callers that nothing else they call explains.

A caller whose excess is unexplained did it itself, or something it calls and that cannot be seen did. The odds of the unseen one
are products: how telling its blindness is (rare among services otherwise seen, or usual there), whether all of its callers suffer,
how many do (one origin is likelier than several at once), whether the caller's own resources are as ever, and whether its
complaints name the callee. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from agents.perception.contrast import Contrast
from agents.perception.facts import Facts
from agents.perception.kinds import CACHE_KINDS, DATABASE_KINDS
from agents.perception.roles import Role, fills_by_waiting

AT_LEAST = 0.67
"""Odds of a callee of which nothing was seen, beside its caller, where nothing tells them apart."""
TAKEN = 0.1
"""Chance that a fault takes its service's telemetry along: what makes a rare blindness telling."""
AT_ONCE = 3.0
"""How much likelier one origin in common is than one more origin at the same time."""
AT_WORK = 2.0
"""Odds against a caller whose own resources are watched and used as ever."""
LOUD = 0.3
"""Odds where a resource of the caller itself is used far more than usual."""
NAMED = 4.0
"""Odds of a callee that the caller's complaints name."""
MOSTLY = 0.5
"""Share of a caller's excess that must be unexplained before it counts as a witness."""
STRAINED_Z = 5.0
GROWN = 1.3
"""Deviations, and times its usual use, that a resource of the caller must reach."""
APART = DATABASE_KINDS | CACHE_KINDS | {"external"}
"""Kinds that are measured by other means than services are, or by none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """A service of which nothing was seen, with what its callers show."""

    service: str
    parts: Mapping[str, float]
    """Caller → share (0–1) of its unexplained excess that is put down to this service."""
    troubled: int
    """Callers most of whose excess nothing explains."""
    calm: int
    """Callers that are measured and as ever."""


def unseen(facts: Facts, open_: Mapping[str, float], calm: Set[str], strained: Mapping[str, float]) -> list[Unseen]:
    """Suspects among unseen callees. `open_`: caller → unexplained share (0–1) of its excess, only those with any.

    `calm`: services that were measured and are as ever; `strained`: caller → odds by its own resources (`by_resources`).
    """
    told = calm | open_.keys()  # callers may have measured a service that says nothing itself
    callers: dict[str, list[str]] = {}
    for caller in open_:
        for callee in dict.fromkeys(facts.callees(caller)):
            if callee != caller and callee in facts.services and callee not in facts.measured and callee not in told:
                callers.setdefault(callee, []).append(caller)
    odds = {
        (u, c): _odds(facts, u, mine, open_, calm) * strained.get(c, 1.0) * (NAMED if _names(facts, c, u) else 1.0)
        for u, mine in callers.items()
        for c in mine
    }
    whole = {c: 1.0 + sum(w for (_, other), w in odds.items() if other == c) for c in open_}
    return [
        Unseen(
            service=u,
            parts={c: odds[u, c] / whole[c] for c in mine},
            troubled=len(_witnesses(mine, open_)),
            calm=len(calm & set(facts.callers(u))),
        )
        for u, mine in callers.items()
    ]


def _odds(facts: Facts, service: str, callers: Iterable[str], open_: Mapping[str, float], calm: Set[str]) -> float:
    troubled, quiet = len(_witnesses(callers, open_)), len(calm & set(facts.callers(service)))
    if not troubled:
        return 0.0
    return AT_LEAST * telling(facts, service) * AT_ONCE ** (troubled - 1) * troubled / (troubled + quiet)


def _names(facts: Facts, caller: str, callee: str) -> bool:
    """Do the caller's complaints name the callee (`call to cart failed`, `dial tcp: lookup cart.shop.svc`)?"""
    name = re.compile(rf"(?<![\w-]){re.escape(callee)}(?![\w-])", re.I)
    return any(line.service == caller and name.search(text) for line, text in facts.complaints)


def _witnesses(callers: Iterable[str], open_: Mapping[str, float]) -> list[str]:
    return [c for c in callers if open_[c] >= MOSTLY]


def telling(facts: Facts, service: str) -> float:
    """Odds by blindness alone: with a share `r` of its like unseen, `(r + TAKEN · (1 − r)) / r` (Bayes).

    Its like: stores and what is outside apart from services, which are measured by other means.
    """
    apart = facts.kind(service) in APART
    like = [s for s in facts.services if (facts.kind(s) in APART) is apart]
    blind = sum(s not in facts.measured for s in like)
    return 1.0 + TAKEN * (len(like) - blind) / blind if blind else 1.0


def by_resources(contrasts: Iterable[Contrast]) -> dict[str, float]:
    """Service → odds that it is not its own doing: its resources are as ever, or one that work uses is used far more.

    What fills up because somebody waits (sockets, pools, queues) tells nothing.
    """
    found: dict[str, float] = {}
    for c in contrasts:
        if c.role is not Role.SATURATION or fills_by_waiting(c.metric):
            continue
        loud = c.z >= STRAINED_Z and c.after >= GROWN * c.before
        found[c.service] = min(found.get(c.service, AT_WORK), LOUD if loud else AT_WORK)
    return found
