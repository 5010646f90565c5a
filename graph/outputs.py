"""What a node leaves behind: a draft, a refined or a final output, and the handoff document. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from domain.action import Outcome
from domain.value import Value
from graph.records.projection import result_of
from graph.routing import steps_to_undo
from graph.state import State

Content = dict[str, Any]


def _plain(value: Value | None) -> Content:
    return value.model_dump(mode="json") if value is not None else {}


def _alerts(state: State) -> Content:
    return {"alerts": [_plain(a) for a in state.get("alerts", [])]}


def _diagnosis(state: State) -> Content:
    return {
        **_plain(state.get("diagnosis")),
        "readings": state.get("readings", []),
        "sources": state.get("sources", []),
        "changes": state.get("changes", []),
    }


def _plan(state: State) -> Content:
    return _plain(state.get("plan"))


def _step(state: State) -> Content:
    results = state.get("results", [])
    return _plain(results[-1]) if results else {}


def _verification(state: State) -> Content:
    checks = state.get("verifications", [])
    return _plain(checks[-1]) if checks else {}


def _brief(state: State) -> Content:
    return _plain(state.get("brief"))


def handoff(state: State) -> Content:
    """What a person who takes over must know: why, what is known, what was done, what is open, what to look at next."""
    diagnosis, plan = state.get("diagnosis"), state.get("plan")
    top = diagnosis.top if diagnosis else None
    results, timeline = state.get("results", []), state.get("timeline", [])
    return {
        "incident": state.get("incident", ""),
        "title": state.get("title", ""),
        "why": timeline[-1].text if timeline else "",
        "outcome": state.get("outcome", ""),
        "run_result": result_of(state),
        "phase": [p.value for p in state.get("phases", [])],
        "known": {
            "verdict": diagnosis.verdict.value if diagnosis else "",
            "cause": top.statement if top else "",
            "service": top.service if top else state.get("service", ""),
            "confidence": diagnosis.confidence if diagnosis else 0.0,
            "evidence": list(top.evidence) if top else [],
            "other_causes": [h.statement for h in diagnosis.hypotheses[1:4]] if diagnosis else [],
            "blind_spots": list(diagnosis.blind_spots) if diagnosis else [],
        },
        "done": [{**_plain(r), "taken_back": r.compensation} for r in results],
        "open": {
            "not_taken_back": steps_to_undo(plan, state) if plan else [],
            "unknown_outcome": [r.step_id for r in results if r.outcome is Outcome.UNKNOWN],
            "approvals": list(state.get("approvals", [])),
            "refused": list(state.get("refused", [])),
        },
        "look_next": [_plain(p) for p in diagnosis.next_probes[:5]] if diagnosis else [],
        "outputs": [p.sha256 for p in state.get("outputs", [])],
    }


OUTPUTS: dict[str, tuple[str, Callable[[State], Content]]] = {
    "intake": ("alerts", _alerts),
    "perceive": ("diagnosis", _diagnosis),
    "plan": ("plan", _plan),
    "act": ("step", _step),
    "roll_back": ("step", _step),
    "verify": ("verification", _verification),
    "escalate": ("handoff", handoff),
    "explain": ("brief", _brief),
}
"""Node → kind of its output and how it is read from the state after it."""

SECTIONS: dict[str, str] = {"diagnosis": "diagnosis", "plan": "plan", "step": "steps", "verification": "verification"}
"""Kind of output → section of the blackboard that tells the other agents."""


def output_of(node: str, state: State) -> tuple[str, Content] | None:
    """Kind and content of what the node leaves, or None when it leaves nothing."""
    if node not in OUTPUTS:
        return None
    kind, read = OUTPUTS[node]
    content = read(state)
    return (kind, content) if content else None
