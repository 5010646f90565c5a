"""Already extracted alerts as evidence: whose own alerts say that it is the origin and not a caller that suffers."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from agents.perception.facts import Facts
from domain.bundle import AlertSignal

SHARED = 0.25
"""How fast an alert loses weight with the number of services that share its kind (0: not at all)."""
LOG = 2.0
"""A service's own words beside one of its numbers."""
_QUANTILE = re.compile(r"[_.|-]?(p\d{2,3}|q?0\.\d+|quantile|median)$", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerted:
    """One service's part of the alerts."""

    service: str
    score: float
    examples: tuple[AlertSignal, ...]


def alerted(facts: Facts) -> Iterable[Alerted]:
    """Services by alerts about themselves: their resources, their logs, spans inside of them.

    A call between two services that is slow or fails speaks of neither more than of the other, so it does not count (it draws the
    graph). An alert counts the less the more services share its kind: what everybody has (a node's load) tells nobody apart.
    Several quantiles of one latency are one alert: who has alerts on three of them is not three times as suspicious.
    """
    holders: dict[str, set[str]] = defaultdict(set)
    mine: dict[str, list[tuple[str, AlertSignal]]] = defaultdict(list)
    for name, signal in _each_once(_own(facts)):
        holders[name].add(signal.service)
        mine[signal.service].append((name, signal))
    score = {s: sum(_weight(g) / len(holders[n]) ** SHARED for n, g in group) for s, group in mine.items()}
    total = sum(score.values())
    for service in sorted(score, key=lambda s: (-score[s], s)):
        if total > 0:
            ranked = sorted(mine[service], key=lambda pair: len(holders[pair[0]]))
            yield Alerted(service=service, score=score[service] / total, examples=tuple(g for _, g in ranked[:3]))


def _own(facts: Facts) -> Iterable[AlertSignal]:
    """Alerts about services themselves, and not about a call between two of them."""
    allowed = set(facts.services)
    for signal in facts.bundle.signals:
        if signal.service in allowed and (signal.kind != "trace" or signal.peer in ("", signal.service)):
            yield signal


def _each_once(signals: Iterable[AlertSignal]) -> Iterable[tuple[str, AlertSignal]]:
    """(kind of alert, alert), of the quantiles of one measurement the first."""
    seen: set[tuple[str, str]] = set()
    for signal in signals:
        word = _word(signal)
        plain = _QUANTILE.sub("", word) if signal.kind == "metric" else word
        name = f"{signal.kind}:{plain}:{signal.direction}"
        if plain != word:
            if (signal.service, name) in seen:
                continue
            seen.add((signal.service, name))
        yield name, signal


def _word(signal: AlertSignal) -> str:
    """What is alerted, without the service's own name, so that it can be compared between services."""
    if signal.kind == "trace":
        return signal.text or signal.name
    return signal.name.replace(signal.service, "").strip("-_ ") or signal.name


def _weight(signal: AlertSignal) -> float:
    return LOG if signal.kind == "log" else 1.0
