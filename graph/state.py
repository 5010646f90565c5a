"""What a run knows, step by step: one TypedDict, and the named reducers that merge updates into it.

The state is the truth about a run; the incident record (graph.records) is a projection of it. Lists only grow; entries
carry their identity, so that a node which runs again after a crash adds nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages

from domain.action import Judgement
from domain.alert import Alert
from domain.crew import OutputPointer
from domain.diagnosis import Diagnosis
from domain.incident import IncidentStatus, TimelineEntry
from domain.lifecycle import Phase
from domain.plan import Plan, StepResult
from domain.report import Brief, Verification
from domain.usage import Usage

Decision = Literal["", "continue", "clarify", "revoke"]


@dataclass(frozen=True)
class Knobs:
    """Per-run settings, plain data: the LangGraph context. Defaults serve Studio, which fills them from JSON."""

    autonomy: Literal["inherit", "observe", "shadow"] = "inherit"
    """inherit: the guard's modes and tiers decide; observe: diagnose and explain only; shadow: judge, but do nothing."""
    dry_run: bool = False
    """True is the same as autonomy shadow."""
    max_replans: int = 2
    """Plans after the first one, before a run escalates."""
    max_clarifications: int = 3
    """Clarified plans of one run, before it escalates."""
    barrier_s: float = 20.0
    """Seconds that the agents of a run have to acknowledge a clarified plan."""
    max_looks: int = 3
    """Looks at a system that seems healthy or unclear before that verdict stands."""
    max_probe_rounds: int = 1
    """How often a mind may wish for further probes."""
    verify_s: float = 6.0
    """Seconds of good service before a cure counts."""
    patience_s: float = 20.0
    """Seconds that a cure may take to show."""

    @property
    def hands_off(self) -> bool:
        """Nothing may be changed in this run, whatever the guard would say."""
        return self.dry_run or self.autonomy != "inherit"


def merge_alerts(known: Sequence[Alert], new: Sequence[Alert]) -> list[Alert]:
    """By episode; the newest word about an episode replaces the older one, in its place.

    JSON (from Studio or the SDK) is read as alerts; raises pydantic.ValidationError for other shapes.
    """
    merged = {a.episode_id: a for a in (Alert.model_validate(a) for a in [*known, *new])}
    return list(merged.values())


def append_results(known: Sequence[StepResult], new: Sequence[StepResult]) -> list[StepResult]:
    """A step has one result, and one more when it was taken back."""
    merged = {(r.step_id, r.compensation): r for r in known}
    merged.update({(r.step_id, r.compensation): r for r in new})
    return list(merged.values())


def append_plans(known: Sequence[Plan], new: Sequence[Plan]) -> list[Plan]:
    """By revision."""
    merged = {p.revision: p for p in known}
    merged.update({p.revision: p for p in new})
    return [merged[revision] for revision in sorted(merged)]


def append_judgements(known: Sequence[Judgement], new: Sequence[Judgement]) -> list[Judgement]:
    """By step; a step judged again keeps only the newest verdict."""
    merged = {j.step_id: j for j in known}
    merged.update({j.step_id: j for j in new})
    return list(merged.values())


def append_verifications(known: Sequence[Verification], new: Sequence[Verification]) -> list[Verification]:
    """By step and time."""
    merged = {(v.step_id, v.at): v for v in known}
    merged.update({(v.step_id, v.at): v for v in new})
    return list(merged.values())


def append_timeline(known: Sequence[TimelineEntry], new: Sequence[TimelineEntry]) -> list[TimelineEntry]:
    """Appended in order; the very same entry only once."""
    merged = list(known)
    merged.extend(entry for entry in new if entry not in merged)
    return merged


def append_phases(known: Sequence[Phase], new: Sequence[Phase]) -> list[Phase]:
    """The walk so far; staying in a phase is no step."""
    walked = list(known)
    for phase in new:
        if not walked or walked[-1] is not phase:
            walked.append(phase)
    return walked


def append_outputs(known: Sequence[OutputPointer], new: Sequence[OutputPointer]) -> list[OutputPointer]:
    """By digest, in order of appearance."""
    merged = {p.sha256: p for p in known}
    merged.update({p.sha256: p for p in new if p.sha256 not in merged})
    return list(merged.values())


def union(known: Sequence[str], new: Sequence[str]) -> list[str]:
    """In order of appearance, each once."""
    return list(dict.fromkeys([*known, *new]))


def append_rows(known: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Plain rows appended."""
    return [*known, *(row for row in new if row not in known)]


class State(TypedDict, total=False):
    """One run of one incident. Everything here is listed in graph.checkpoint.serde or plain JSON."""

    incident: str
    run: str
    title: str
    started_at: str
    """ISO time of the first node."""
    service: str
    alerts: Annotated[list[Alert], merge_alerts]
    phases: Annotated[list[Phase], append_phases]
    timeline: Annotated[list[TimelineEntry], append_timeline]
    diagnosis: Diagnosis | None
    confidence_history: Annotated[list[dict[str, Any]], append_rows]
    readings: list[dict[str, Any]]
    """What the probes said at the last look, redacted; the incident's bundle is exported with it."""
    sources: list[dict[str, Any]]
    """Who was asked for signals at the last look, for which window, and what came back."""
    diffs_read: dict[str, Any]
    """What a mind made of changes' diffs (`agents.diff_reader.DiffsRead`), so that none is shown twice."""
    changes: list[dict[str, Any]]
    """What people and other tools changed, as seen at the last look, diffs included."""
    looks: int
    """How often perceive has looked."""
    messages: Annotated[list[AnyMessage], add_messages]
    """Probe calls that a mind wished for, and their results: the tool node's channel."""
    probe_rounds: int
    runbooks: list[str]
    """Retrieved passages for the planner, untrusted."""
    plan: Plan | None
    plans: Annotated[list[Plan], append_plans]
    judgements: Annotated[list[Judgement], append_judgements]
    cursor: int
    """Index of the plan's next step."""
    answer: dict[str, Any] | None
    """What came back from the person who was asked: {approval, status, by, reason}."""
    approvals: Annotated[list[str], union]
    refused: Annotated[list[str], union]
    """`action target` pairs that governance denied or a person rejected."""
    before: dict[str, bool | None]
    """Health checks before the plan's next step."""
    results: Annotated[list[StepResult], append_results]
    verifications: Annotated[list[Verification], append_verifications]
    decision: Decision
    """Overwatch's last word."""
    revoked: str
    """Why governance lets the agent act no more; empty while it may."""
    undoing: list[str]
    """Step ids still to be taken back, next first."""
    undo_asked: str
    """Approval that taking the next step back waits for; empty: it needs none."""
    replans: int
    stale: str
    """What somebody changed since the plan was made, so that it is looked at again; empty: nothing."""
    clarified: list[str]
    """Ids of the clarified plans that every active agent acknowledged."""
    alarms: int
    """How many of overwatch's alarms were heard."""
    outputs: Annotated[list[OutputPointer], append_outputs]
    """Where everything lies that the run left."""
    halt: str
    """Why nothing further may be done (a person took over or stopped it, the door is frozen); empty: go on."""
    outcome: str
    status: IncidentStatus
    brief: Brief | None
    model: str
    usage: Usage
    """What the incident's questions to a model have cost; counts against its budget also after a crash."""
    opened_by: str
    reopens: str | None
