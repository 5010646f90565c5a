"""What nodes share: walking the phases, adding to the timeline, the run's knobs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Protocol

from langgraph.runtime import Runtime

from agents.prompts import version
from agents.reasoners.rules import RULES
from domain.action import Judgement, Verdict
from domain.errors import GovernanceError
from domain.incident import TimelineEntry
from domain.lifecycle import NODE_PHASE, Phase, may_move
from graph.state import Knobs, State

PROCEDURE = "PROCEDURE_VIOLATION"
"""The violation that an illegal move is."""
_CLOSING = ("escalate", "explain", "learn")
"""What overwatch still does for a run whose agent was revoked."""
_BRIDGES: tuple[list[Phase], ...] = ([], [Phase.PACKAGE], [Phase.PREFLIGHT], [Phase.PREFLIGHT, Phase.PACKAGE])
"""Phases that a run which ends early passes through on the way to its report."""


class Node(Protocol):
    """What the graph runs: the state and the run's knobs in, an update out."""

    async def __call__(self, state: State, *, runtime: Runtime[Knobs]) -> dict[str, Any]: ...


def enter(state: State, node: str) -> list[Phase]:
    """The phases to record when a node runs. Raises GovernanceError (PROCEDURE_VIOLATION) for an illegal move."""
    walked = state.get("phases", [])
    now, then = (walked[-1] if walked else Phase.BOOTSTRAP), NODE_PHASE[node]
    if now is Phase.REVOKED and node in _CLOSING:
        return []
    stopped = state.get("revoked") or (node == "escalate" and state.get("decision") == "revoke")
    if stopped and node in _CLOSING and not now.terminal:
        return [Phase.REVOKED]
    for bridge in _BRIDGES if node in _CLOSING else ([],):
        path = [now, *bridge, then]
        if all(may_move(one, next_) for one, next_ in pairwise(path)):
            return path[1:]
    raise GovernanceError(
        f"{node} must not follow phase {now.value}",
        expected=f"a phase from which {then.value} may be entered",
        found=now.value,
        code="governance.procedure_violation",
    )


def denials(judgement: Judgement, wrapper: str) -> list[str]:
    """What one wrapper of the guard said against a step."""
    return [r.text for r in judgement.reasons if r.wrapper == wrapper and r.verdict is Verdict.DENY]


def revoked_by(judgements: Sequence[Judgement]) -> dict[str, str]:
    """The update of a run whose agent hears at the door that it is revoked; empty when it does not."""
    heard = next((text for j in judgements for text in denials(j, "revocation")), "")
    return {"decision": "revoke", "revoked": heard} if heard else {}


def entry(at: datetime, event: str, text: str, *, evidence: list[str] | None = None, **data: Any) -> TimelineEntry:
    """One past-tense fact for the timeline."""
    return TimelineEntry(at=at, event=event, text=text, evidence=evidence or [], data=data)


def fallback_entries(at: datetime, role: str, fell_back: str) -> list[TimelineEntry]:
    """The visible trace of a mind that failed; nothing when none did."""
    if not fell_back:
        return []
    return [entry(at, "model.fell_back", f"{role}: rules answered instead of {fell_back}", role=role, reason=fell_back)]


def author(role: str, by: str = RULES, fell_back: str = "") -> dict[str, str]:
    """Who decided, for the ledger: the reasoner's name, and when a model was asked its prompt's version and how it failed."""
    asked = by != RULES or bool(fell_back)
    return {"by": by} | ({"prompt": version(role)} if asked else {}) | ({"fell_back": fell_back} if fell_back else {})


def knobs_of(runtime: Runtime[Knobs]) -> Knobs:
    """The run's knobs; defaults when none were given."""
    return runtime.context or Knobs()
