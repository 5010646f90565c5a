"""What of the ledger is odd about the product's own operation, and what could be done about it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from domain.findings import Risk, Suggestion
from domain.guard import LedgerEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """One odd thing. Kind and subject make its fingerprint."""

    kind: str
    subject: str
    text: str


Look = Callable[[dict[str, Any]], Anomaly | None]


def anomaly_of(entry: LedgerEntry) -> Anomaly | None:
    """What is odd about an entry, or None."""
    look = _LOOKS.get(entry.kind)
    return look(entry.content) if look else None


def _violation(content: dict[str, Any]) -> Anomaly | None:
    kind = "agent_misbehaved" if content.get("charged") else "agent_disturbed"
    subject = f"{content.get('agent', '')} {content.get('violation', '')}"
    return Anomaly(kind=kind, subject=subject, text=str(content.get("what", "")))


def _effect(content: dict[str, Any]) -> Anomaly | None:
    outcome = content.get("outcome")
    if outcome not in {"failed", "unknown"}:
        return None
    call = content.get("call", {})
    subject = f"{call.get('action', '')} {call.get('target', '')}"
    return Anomaly(kind=f"step_{outcome}", subject=subject, text=str(content.get("summary", "")))


def _decision(content: dict[str, Any]) -> Anomaly | None:
    why = content.get("fell_back")
    if not why:
        return None
    return Anomaly(kind="model_fell_back", subject=str(content.get("prompt", "model")), text=str(why))


def _unwind(content: dict[str, Any]) -> Anomaly | None:
    if content.get("status") != "stuck":
        return None
    return Anomaly(kind="unwind_stuck", subject="unwind", text=f"{len(content.get('remaining', []))} steps were left")


def _refusal(content: dict[str, Any]) -> Anomaly | None:
    why = str(content.get("why", ""))
    if "RUN_WITHOUT_CHECK" not in why:
        return None
    call = content.get("call", {})
    return Anomaly(kind="check_failed", subject=f"{call.get('action', '')} {call.get('target', '')}", text=why)


_LOOKS: dict[str, Look] = {
    "violation": _violation,
    "effect": _effect,
    "compensation": _effect,
    "decision": _decision,
    "observation": _decision,
    "unwind": _unwind,
    "refusal": _refusal,
}


def _suggestion(kind: str, text: str, risk: Risk, impact: float, *touches: str) -> Suggestion:
    return Suggestion(kind=kind, text=text, risk=risk, impact=impact, touches=list(touches))


SUGGESTIONS: dict[str, Suggestion] = {
    s.kind: s
    for s in (
        _suggestion(
            "agent_misbehaved", "look at its history and demote it until it is understood", Risk.LOW, 0.7, "people"
        ),
        _suggestion("agent_disturbed", "find what disturbs the agents and mend it", Risk.TRIVIAL, 0.6, "people"),
        _suggestion("step_failed", "say in the runbook when this action does not work here", Risk.LOW, 0.5, "runbook"),
        _suggestion(
            "step_unknown", "give the target a probe that tells whether it took effect", Risk.LOW, 0.6, "inventory"
        ),
        _suggestion(
            "model_fell_back", "use another model, or none: the rules answered anyway", Risk.MEDIUM, 0.4, "model"
        ),
        _suggestion("unwind_stuck", "mend the undo of the step that did not come back", Risk.HIGH, 0.8, "runbook"),
        _suggestion("check_failed", "make the target's binding reachable for dry runs", Risk.LOW, 0.6, "inventory"),
    )
}
"""By kind of anomaly; a test proves that every kind has one."""

KINDS = frozenset(SUGGESTIONS)
