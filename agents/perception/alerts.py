"""Already extracted alerts as evidence: whose own alerts say that it is the origin and not a caller that suffers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from agents.perception.facts import Facts
from domain.bundle import AlertSignal


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerted:
    """One service's part of the alerts."""

    service: str
    score: float
    examples: tuple[AlertSignal, ...]


def alerted(facts: Facts) -> Iterable[Alerted]:
    """Services by rare alerts: an alert counts by how few services share its kind, a trace alert speaks for its far end.

    Alerts that nearly everybody has (a node's load, the weather) say nothing about one of them.
    """
    holders: dict[str, set[str]] = defaultdict(set)
    mine: dict[str, list[tuple[str, AlertSignal]]] = defaultdict(list)
    allowed = set(facts.services)
    for signal in facts.bundle.signals:
        service = signal.peer if signal.kind == "trace" and signal.peer else signal.service
        name = f"{signal.kind}:{_word(signal)}:{signal.direction}"
        if service in allowed:
            holders[name].add(service)
            mine[service].append((name, signal))
    score = {s: sum(_weight(n, g) / len(holders[n]) ** 2 for n, g in group) for s, group in mine.items()}
    total = sum(score.values())
    for service in sorted(score, key=lambda s: (-score[s], s)):
        if total > 0:
            ranked = sorted(mine[service], key=lambda pair: len(holders[pair[0]]))
            yield Alerted(service=service, score=score[service] / total, examples=tuple(g for _, g in ranked[:3]))


def _word(signal: AlertSignal) -> str:
    if signal.kind == "trace":
        return signal.name
    return signal.name.replace(signal.service, "").strip("-_ ") or signal.name


def _weight(name: str, signal: AlertSignal) -> float:
    return 2.0 if signal.kind == "log" else 1.0
