"""What the agents at work on one task tell each other: values of the state port. Coordination, never evidence."""

from __future__ import annotations

from typing import Any

from domain.lifecycle import OutputType, Phase, RuntimeStatus
from domain.value import UtcTime, Value


class Packet(Value):
    """An agent's instruction packet: written by the graph, read by the agent."""

    agent: str
    """Agent at work: role and task, e.g. `responder@inc-4f2a9c1be07d`."""
    task: str
    objective: str
    constraints: list[str] = []
    tools: list[str] = []
    """Names of the probes and actions it may reach for."""
    budget: dict[str, int] = {}
    """What it may spend, by name: `replans`, `model_tokens`, `clarifications` …"""
    deadline: UtcTime


class AgentState(Value):
    """Where an agent stands."""

    agent: str
    phase: Phase
    status: RuntimeStatus
    at: UtcTime
    note: str = ""
    """Why, where the status alone does not say it."""


class Finding(Value):
    """One finding on the blackboard. Untrusted for everybody but its author: it may suggest, never decide."""

    agent: str
    at: UtcTime
    text: str
    evidence: list[str] = []


class ClarifiedPlan(Value):
    """What overwatch tells all agents of a task before they go on (spec: Overwatch)."""

    id: str
    task: str
    trigger: str
    """Why it was needed."""
    history_reviewed: list[str]
    """Which facts of the run overwatch read."""
    outputs_analysed: list[str]
    """Digests of the outputs that it read."""
    original_objective: str
    clarified_objective: str
    adjustments: list[str]
    at: UtcTime
    acknowledged_by: list[str] = []


class OutputPointer(Value):
    """Where an output lies: its digest names the file in the artifact store."""

    agent: str
    phase: Phase
    type: OutputType
    kind: str
    """What it is: `diagnosis`, `plan`, `step`, `verification`, `handoff`, `brief`."""
    at: UtcTime
    sha256: str


class Output(Value):
    """One output of an agent, as it lies in the artifact store."""

    schema_version: str = "1"
    agent: str
    task: str
    phase: Phase
    type: OutputType
    kind: str
    at: UtcTime
    content: dict[str, Any]
    """Plain JSON, redacted."""


class RunRow(Value):
    """One line of an agent's history."""

    task: str
    result: str
    outcome: str
    at: UtcTime


def at_work(agent: str, task: str) -> str:
    """The name of an agent at work on a task."""
    return f"{agent}@{task}"


def role_of(name: str) -> str:
    """The agent behind a name of one at work; any other name is its own."""
    return name.partition("@")[0]
