"""Who calls whom: as told, and where nobody tells, as spans and extracted trace alerts show it."""

from __future__ import annotations

from domain.bundle import Bundle

Pair = tuple[str, str]


def call_edges(bundle: Bundle) -> list[Pair]:
    """(caller, callee) pairs without repetition and without calls to oneself."""
    told = [(e.caller, e.callee) for e in bundle.edges]
    found = told or [*_of_spans(bundle), *_of_signals(bundle)]
    return [(a, b) for a, b in dict.fromkeys(found) if a != b]


def _of_spans(bundle: Bundle) -> list[Pair]:
    owner = {s.span_id: s.service for s in bundle.spans}
    return [(owner[s.parent_id], s.service) for s in bundle.spans if s.parent_id in owner]


def _of_signals(bundle: Bundle) -> list[Pair]:
    return [(s.service, s.peer) for s in bundle.signals if s.kind == "trace" and s.peer]
