"""What a service does differently per invocation: log templates and inner operations that appear, vanish or change.

The absence of an expected pattern counts as much as a new one. A caller's change is discounted where, in the invocations concerned,
it reached a callee that changed as well; an invocation that stopped before the callee is not the callee's fault.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace

from agents.perception.complaints import log_text
from agents.perception.facts import Facts
from agents.perception.peers import peer_of
from agents.perception.templates import templates
from agents.perception.traces import ERRORS, Forest, Invocation
from domain.bundle import LogLine

LEAST = 2
"""Invocations needed on each side."""
EXPLAINED = 0.85
PASSES = 2
COMPLAINING = frozenset({"warn", "warning", "error", "err", "critical", "fatal"})
"""Levels of lines that nobody misses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """One pattern of one service whose share of invocations changed."""

    service: str
    operation: str
    pattern: str
    before: tuple[int, int]
    """(invocations with the pattern, invocations) in the normal time."""
    after: tuple[int, int]
    score: float
    """Log-likelihood ratio of the change (G statistic), weighted by the size of the change."""

    @property
    def words(self) -> str:
        """As a person reads it."""
        kind = "new" if not self.before[0] else "gone" if not self.after[0] else "changed"
        where = f" in {self.operation}" if self.operation else ""
        return (f"{kind} pattern `{self.pattern}`{where}: {self.before[0]}/{self.before[1]} invocations before, "
                f"{self.after[0]}/{self.after[1]} during")  # fmt: skip


def shifts(facts: Facts, trees: Forest) -> dict[str, list[Shift]]:
    """Per service its strongest shifts, best first, after discounting what callees explain.

    A complaint (a failed call, a line of a complaining level) that comes less often than before is no trouble.
    """
    complaints = _add_logs(facts, trees)
    _add_peers(facts, trees)
    sides: tuple[dict[tuple[str, str], list[Invocation]], ...] = (defaultdict(list), defaultdict(list))
    for inv in trees.invocations:
        sides[facts.windows.troubled(inv.span.start)][inv.key].append(inv)
    raw: dict[str, list[Shift]] = defaultdict(list)
    for key in sides[0].keys() & sides[1].keys():
        before, after = sides[0][key], sides[1][key]
        if len(before) >= LEAST and len(after) >= LEAST:
            raw[key[0]] += _of_operation(key, before, after, complaints)
    for found in raw.values():
        found.sort(key=lambda s: (-s.score, s.pattern))
    return _unexplained(raw, sides[1])


def _of_operation(
    key: tuple[str, str], before: list[Invocation], after: list[Invocation], complaints: Set[str]
) -> list[Shift]:
    counts = [Counter(f for inv in side for f in inv.features) for side in (before, after)]
    n0, n1 = len(before), len(after)
    found = []
    for pattern in counts[0].keys() | counts[1].keys():
        k0, k1 = counts[0][pattern], counts[1][pattern]
        size = abs(k1 / n1 - k0 / n0)
        eased = (pattern.startswith("error ") or pattern in complaints) and k1 / n1 < k0 / n0
        if size < 0.1 or eased:
            continue
        score = g_statistic(k0, n0, k1, n1) * (0.3 + 0.7 * size)
        found.append(
            Shift(service=key[0], operation=key[1], pattern=pattern, before=(k0, n0), after=(k1, n1), score=score)
        )
    return found


def g_statistic(k0: int, n0: int, k1: int, n1: int) -> float:
    """G test of two proportions: twice the log-likelihood ratio; 0 when they agree (Sokal & Rohlf)."""
    pooled = (k0 + k1) / (n0 + n1)
    return 2 * (_loglik(k0, n0, k0 / n0) + _loglik(k1, n1, k1 / n1) - _loglik(k0, n0, pooled) - _loglik(k1, n1, pooled))


def _loglik(k: int, n: int, p: float) -> float:
    p = min(max(p, 1e-12), 1 - 1e-12)
    return k * math.log(p) + (n - k) * math.log(1 - p)


def _unexplained(raw: dict[str, list[Shift]], after: dict[tuple[str, str], list[Invocation]]) -> dict[str, list[Shift]]:
    best = {service: found[0].score for service, found in raw.items() if found}
    left: dict[str, list[Shift]] = {}
    for _ in range(PASSES):  # a callee whose own shift is explained from further below explains less itself
        left = _discounted(raw, best, after)
        best = {service: found[0].score for service, found in left.items()}
    return left


def _discounted(
    raw: dict[str, list[Shift]], best: dict[str, float], after: dict[tuple[str, str], list[Invocation]]
) -> dict[str, list[Shift]]:
    left: dict[str, list[Shift]] = {}
    for service, found in raw.items():
        kept = []
        for shift in found[:12]:
            factor = 1 - EXPLAINED * _explained(shift, best, after[(service, shift.operation)])
            kept.append(_rescored(shift, factor))
        if kept:
            left[service] = sorted(kept, key=lambda s: (-s.score, s.pattern))
    return left


def _explained(shift: Shift, best: dict[str, float], after: list[Invocation]) -> float:
    """0–1: how far deviating callees, reached in the invocations concerned, account for this shift."""
    grew = shift.after[0] / shift.after[1] > shift.before[0] / shift.before[1]
    concerned = [inv for inv in after if (shift.pattern in inv.features) == grew]
    if not concerned or shift.score <= 0:
        return 0.0
    reached = Counter(s for inv in concerned for s in inv.reached)
    parts = [
        min(1.0, best.get(callee, 0.0) / shift.score) * count / len(concerned)
        for callee, count in reached.items()
        if callee != shift.service
    ]
    return max(parts, default=0.0)


def _rescored(shift: Shift, factor: float) -> Shift:
    return Shift(service=shift.service, operation=shift.operation, pattern=shift.pattern, before=shift.before, after=shift.after,
                 score=shift.score * factor)  # fmt: skip


def _add_peers(facts: Facts, trees: Forest) -> None:
    """Invocations of services without spans of their own, as the calls to them show: how often they come, and whether they fail."""
    known = {inv.span.service for inv in trees.invocations}
    for span, callee, _ in trees.own_ms:
        inside = trees.of_span.get(span.span_id)
        peer = "" if callee or inside is None else peer_of(facts, span)
        if inside is None or not peer or peer in known:
            continue
        failed = {f"error {span.operation}"} if span.status.lower() in ERRORS else set()
        trees.invocations.append(Invocation(span=replace(span, service=peer), features=failed))
        inside.called.add(peer)
        for above in _upwards(trees, inside):
            above.reached.add(peer)


def _upwards(trees: Forest, inside: Invocation) -> Iterable[Invocation]:
    """An invocation and those that led to it."""
    above: Invocation | None = inside
    while above is not None:
        yield above
        parent = trees.of_span.get(above.span.parent_id)
        above = None if parent is above else parent


def _add_logs(facts: Facts, trees: Forest) -> set[str]:
    """Lines as features of the invocations that wrote them; those that complain."""
    lines = [line for line in facts.bundle.logs if line.span_id in trees.of_span]
    names = templates(log_text(line) for line in lines)
    for line in lines:
        inv = trees.of_span[line.span_id]
        if inv.span.service == line.service:
            inv.features.add(_feature(line, names))
    return {_feature(line, names) for line in lines if line.level.lower() in COMPLAINING}


def _feature(line: LogLine, names: Mapping[str, str]) -> str:
    return f"log {names[log_text(line)]}"
