"""Where time went: own time per operation and gaps per edge, before against after, attributed to one end of each edge."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean, pstdev

from agents.perception.facts import Facts
from agents.perception.peers import peer_of
from agents.perception.traces import Forest

LEAST = 3
SIGNIFICANT = 3.0
"""Welch's t from which a slower mean counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slower:
    """Seconds that a service added in its own code (`inside`) and on its links (`links`), with the clearest example."""

    service: str
    inside: float
    links: float
    share: float
    example: str


def slower(facts: Facts, trees: Forest) -> tuple[list[Slower], float]:
    """(services by added seconds, seconds added over seconds usually spent). Empty without comparable spans."""
    own: dict[tuple[str, str], tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    gaps: dict[tuple[str, str], tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for span, callee, ms in trees.own_ms:
        callee = callee or peer_of(facts, span)
        side = facts.windows.troubled(span.start)
        (gaps[(span.service, callee)] if callee else own[(span.service, span.operation)])[side].append(ms)
    usual = sum(fmean(b) * len(a) for b, a in [*own.values(), *gaps.values()] if b and a) / 1000
    inside: dict[str, float] = defaultdict(float)
    examples: dict[str, tuple[float, str]] = {}
    for (service, operation), (before, after) in own.items():
        seconds = added(before, after)
        inside[service] += seconds
        _example(examples, service, seconds, f"{operation}: {_level(before)} before, {_level(after)} during")
    links: dict[str, float] = defaultdict(float)
    bad = {edge: seconds for edge, (before, after) in gaps.items() if (seconds := added(before, after)) > 0}
    for edge, seconds in bad.items():
        end = _endpoint(edge, bad, gaps)
        parts = [
            end,
            *(facts.between(*edge) if end == edge[1] else []),
        ]  # nothing tells a slow far end from a slow way to it
        for part in parts:
            links[part] += seconds / len(parts)
        words = f"between {edge[0]} and {edge[1]}: {_level(gaps[edge][0])} before, {_level(gaps[edge][1])} during"
        for part in parts:
            _example(examples, part, seconds, words)
    total = sum(inside.values()) + sum(links.values())
    if total <= 0:
        return [], 0.0
    found = [
        Slower(
            service=s, inside=inside[s], links=links[s], share=(inside[s] + links[s]) / total, example=examples[s][1]
        )
        for s in {*inside, *links}
        if inside[s] + links[s] > 0
    ]
    found.sort(key=lambda s: (-s.share, s.service))
    return found, total / usual if usual > 0 else 0.0


def added(before: list[float], after: list[float]) -> float:
    """Seconds added over all spans of the trouble, 0 when not significantly slower. Inputs in milliseconds.

    Weighted by the share of spans beyond the usual nine in ten, so that one outlier among many does not count as slowness.
    """
    if len(before) < LEAST or len(after) < 2:
        return 0.0
    shift = fmean(after) - fmean(before)
    error = math.sqrt(pstdev(before) ** 2 / len(before) + pstdev(after) ** 2 / len(after)) + 0.05 * fmean(before) + 0.1
    if shift / error < SIGNIFICANT:
        return 0.0
    usual = sorted(before)[min(len(before) - 1, int(0.9 * len(before)))]
    consistent = (sum(ms > usual for ms in after) / len(after) - 0.1) / 0.9
    return shift * len(after) / 1000 * max(0.0, consistent)


def _endpoint(
    edge: tuple[str, str],
    bad: dict[tuple[str, str], float],
    every: dict[tuple[str, str], tuple[list[float], list[float]]],
) -> str:
    """The end that most of whose links are slow, and by more; the callee where both are alike."""

    def weight(service: str) -> float:
        mine = [e for e, (b, a) in every.items() if service in e and b and a]
        slow = [e for e in mine if e in bad]
        return len(slow) / max(len(mine), 1) * sum(bad[e] for e in slow)

    return edge[0] if weight(edge[0]) > weight(edge[1]) * 1.01 else edge[1]


def _example(examples: dict[str, tuple[float, str]], service: str, seconds: float, words: str) -> None:
    if seconds > examples.get(service, (0.0, ""))[0]:
        examples[service] = (seconds, words)


def _level(values: list[float]) -> str:
    return f"{fmean(values):.1f} ms" if values else "nothing"
