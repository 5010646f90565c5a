"""The report's page: what the diagnosis says, arranged; the template only shows it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from agents.perception.contrast import Contrast, contrasts
from agents.perception.excess import excess
from agents.perception.facts import Facts
from agents.perception.roles import Role
from cli.report.callgraph import Weight, call_graph
from cli.report.first_signs import first_signs
from cli.report.plots import Plot, plot, suspicious
from cli.report.scale import clock, number, printable
from cli.report.timeline import timeline
from domain.bundle import Bundle
from domain.diagnosis import Diagnosis, Hypothesis

_HERE = Path(__file__).parent
NEAR = 0.1
"""Confidence from which a hypothesis is laid open; fainter ones unfold."""
MOST_EXCESS = 6
_MEANING = {
    "fault": "Something broke, and this is where.",
    "healthy": "Nothing that was read is out of the ordinary.",
    "external": "The cause lies outside of this system.",
    "inconclusive": "What was read does not carry a cause.",
}


def render(bundle: Bundle, diagnosis: Diagnosis) -> str:
    """One HTML document; all text in it is escaped, whatever the bundle holds."""
    facts = Facts(bundle)
    found = contrasts(bundle, facts.windows)
    suspects = [h.service for h in diagnosis.hypotheses]
    weights = _weights(facts, found)
    leading, weaker = _by_weight(diagnosis.hypotheses)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            bundle=bundle,
            diagnosis=diagnosis,
            meaning=_MEANING[diagnosis.verdict.value],
            groups=[rows for rows in (leading, weaker) if rows],
            unseen=[*diagnosis.blind_spots, *diagnosis.unseen],
            evidence={e.id: e for e in diagnosis.evidence},
            plots=_plots(facts, found, [*suspects, bundle.alert.service if bundle.alert else ""]),
            graph=call_graph(bundle.edges, weights, suspects[:3]),
            learned=bool(bundle.edges) and all(e.kind == "observed" for e in bundle.edges),
            excess=_excess(weights),
            moments=timeline(bundle, diagnosis, facts.windows, first_signs(bundle, found, facts.windows, suspects[:3])),
            windows=_windows(facts),
            read=_read(bundle),
        )
    )


def _by_weight(hypotheses: Sequence[Hypothesis]) -> tuple[list[Hypothesis], list[Hypothesis]]:
    """The first, and those that come near; then the faint ones."""
    near = [h for h in hypotheses if h.rank == 1 or h.confidence >= NEAR]
    return near, [h for h in hypotheses if h not in near]


def _environment() -> Environment:
    env = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    env.filters |= {"clean": lambda text: printable(str(text)), "clock": clock}
    return env


def _plots(facts: Facts, found: Sequence[Contrast], suspects: Sequence[str]) -> list[Plot]:
    series = {(s.service, s.metric): s for s in facts.bundle.series}
    chosen = suspicious(found, suspects)
    return [plot(series[(c.service, c.metric)], c, facts.windows) for c in chosen]


def _weights(facts: Facts, found: list[Contrast]) -> dict[str, Weight]:
    """Unexplained excess per service, of latency, or of errors where they say more about it."""
    weights: dict[str, Weight] = {}
    for role, name in ((Role.LATENCY, "latency"), (Role.ERRORS, "errors")):
        for one in excess(facts, found, role):
            if one.unexplained > 0 and (one.service not in weights or one.share > weights[one.service].share):
                words = f"{one.share:.0%} of excess {name} (+{number(one.unexplained)})"
                weights[one.service] = Weight(share=min(1.0, one.share), words=words)
    return weights


def _excess(weights: dict[str, Weight]) -> list[tuple[str, str]]:
    """The heaviest services in words: what the drawing shows, for small screens and for readers of text."""
    heaviest = sorted(weights.items(), key=lambda row: -row[1].share)
    return [(service, weight.words) for service, weight in heaviest[:MOST_EXCESS]]


def _windows(facts: Facts) -> list[tuple[str, str]]:
    named = (("normal", facts.windows.normal), ("abnormal", facts.windows.abnormal))
    return [(n, f"{clock(w[0], day=True)} – {clock(w[1], day=True)} UTC") for n, w in named if clock(w[0]) and w[1]]


def _read(bundle: Bundle) -> list[tuple[str, Any]]:
    """How much of each kind was read."""
    counted = (
        ("series", len(bundle.series)),
        ("log lines", len(bundle.logs)),
        ("spans", len(bundle.spans)),
        ("alert signals", len(bundle.signals)),
        ("changes", len(bundle.changes)),
        ("readings", len(bundle.readings)),
        ("platform objects", len(bundle.platform)),
    )
    return [(name, count) for name, count in counted]
