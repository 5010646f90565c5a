"""Services that vanished from traces: their callers still run, and none of their calls reaches them any more.

An operation of a caller that made the call in a share `q` of its normal invocations makes it in none of `n` by chance with
probability `(1 − q)ⁿ`. One caller alone may itself have stopped before the call, so it counts only where its invocations fail. A
service that still says something (a line, a measurement) has not gone.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agents.perception.facts import Facts
from agents.perception.points import arrays, inside
from agents.perception.silence import BEYOND_CHANCE, CHANCE
from agents.perception.traces import ERRORS, Forest, Invocation

AMBIGUOUS = 0.5
"""What the loss of calls counts for where a single caller lost them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vanished:
    """One service whose calls all ended: who called it, how many calls were due, how far from chance that is (0–1)."""

    service: str
    callers: tuple[str, ...]
    due: float
    sure: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lost:
    """Calls of one operation of a caller to a service, none of which came in the trouble."""

    caller: str
    due: float
    log_chance: float
    failing: bool


def vanished(facts: Facts, trees: Forest) -> list[Vanished]:
    """Services that no call reaches any more, the clearest first."""
    before, during = _by_operation(facts, trees)
    reached = {s for group in during.values() for inv in group for s in inv.called}
    lost: dict[str, list[_Lost]] = defaultdict(list)
    for key, group in before.items():
        for callee, count in _calls(group).items():
            if callee not in reached and key in during:
                lost[callee].append(_lost(key[0], count, group, during[key]))
    found = [_judged(s, rows) for s, rows in lost.items() if not _speaks(facts, s)]
    return sorted((v for v in found if v.sure > 0), key=lambda v: (-v.sure, v.service))


def _judged(service: str, rows: Sequence[_Lost]) -> Vanished:
    clear = [r for r in rows if r.log_chance < math.log(CHANCE)]
    callers = tuple(sorted({r.caller for r in clear}))
    sure = min(1.0, min((r.log_chance for r in clear), default=0.0) / math.log(BEYOND_CHANCE))
    if len(callers) == 1:
        sure *= AMBIGUOUS if any(r.failing for r in clear) else 0.0
    return Vanished(service=service, callers=callers, due=sum(r.due for r in clear), sure=sure)


def _lost(caller: str, calls: int, before: Sequence[Invocation], during: Sequence[Invocation]) -> _Lost:
    share = calls / len(before)
    left_out = math.log(max(1.0 - share, 0.5 / len(before)))
    return _Lost(
        caller=caller, due=share * len(during), log_chance=len(during) * left_out,
        failing=_failed(during) > _failed(before) + 0.1,
    )  # fmt: skip


def _by_operation(facts: Facts, trees: Forest) -> tuple[dict[tuple[str, str], list[Invocation]], ...]:
    sides: tuple[dict[tuple[str, str], list[Invocation]], ...] = (defaultdict(list), defaultdict(list))
    for inv in trees.invocations:
        sides[facts.windows.troubled(inv.span.start)][inv.key].append(inv)
    return sides


def _calls(group: Iterable[Invocation]) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for inv in group:
        for service in inv.called:
            found[service] += 1
    return found


def _failed(group: Sequence[Invocation]) -> float:
    return sum(inv.span.status.lower() in ERRORS for inv in group) / len(group)


def _speaks(facts: Facts, service: str) -> bool:
    """Is there a line or a measurement of it from the time of the trouble?"""
    if any(line.service == service and facts.windows.troubled(line.time) for line in facts.bundle.logs):
        return True
    mine = (s for s in facts.bundle.series if s.service == service)
    return any(inside(arrays(s)[0], facts.windows.abnormal).any() for s in mine)
