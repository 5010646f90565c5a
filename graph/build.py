"""The introductions: nodes, edges and retries put together. The picture in the README is drawn from what this returns."""

from __future__ import annotations

from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import RetryPolicy

from domain.errors import LeaseLostError, Transient
from graph import routing
from graph.at_work import carried_out
from graph.nodes.act import make_act, make_roll_back
from graph.nodes.approve import approve
from graph.nodes.clarify import make_clarify
from graph.nodes.closing import make_escalate, make_explain, make_learn
from graph.nodes.intake import make_intake
from graph.nodes.judge import make_judge
from graph.nodes.oversee import make_oversee
from graph.nodes.perceive import make_perceive
from graph.nodes.plan import make_plan
from graph.nodes.probe import make_probe
from graph.nodes.verify import make_verify
from graph.nodes.walk import knobs_of
from graph.services import Services
from graph.state import Knobs, State

RECURSION_LIMIT = 120
"""Supersteps of one run: the longest legal walk is below 100; more means a loop that nobody intended."""

IncidentGraph = CompiledStateGraph[State, Knobs, State, State]


def helps_to_retry(error: Exception) -> bool:
    """Only what says so of itself; a lost lease never does, another runner has the thread."""
    return isinstance(error, Transient) and not isinstance(error, LeaseLostError)


READS = RetryPolicy(initial_interval=0.2, max_interval=2.0, max_attempts=3, jitter=False, retry_on=helps_to_retry)
ACTS = RetryPolicy(initial_interval=0.5, max_interval=4.0, max_attempts=6, jitter=False, retry_on=helps_to_retry)


def incident_graph(services: Services) -> StateGraph[State, Knobs, State, State]:
    """The uncompiled graph with its services bound."""
    graph: StateGraph[State, Knobs, State, State] = StateGraph(State, context_schema=Knobs)
    for name, node, retries in _nodes(services):
        graph.add_node(name, carried_out(services, name, node), retry_policy=retries)
    graph.add_node("probe", make_probe(services), retry_policy=READS)
    _connect(graph)
    return graph


def _nodes(services: Services) -> list[tuple[str, Any, RetryPolicy | None]]:
    return [
        ("intake", make_intake(services), None),
        ("perceive", make_perceive(services), READS),
        ("plan", make_plan(services), READS),
        ("judge", make_judge(services), ACTS),
        ("approve", approve, None),
        ("act", make_act(services), ACTS),
        ("verify", make_verify(services), READS),
        ("oversee", make_oversee(services), None),
        ("clarify", make_clarify(services), READS),
        ("roll_back", make_roll_back(services), ACTS),
        ("escalate", make_escalate(services), None),
        ("explain", make_explain(services), None),
        ("learn", make_learn(services), None),
    ]


def _connect(graph: StateGraph[State, Knobs, State, State]) -> None:
    graph.add_edge(START, "intake")
    graph.add_edge("intake", "perceive")
    graph.add_conditional_edges("perceive", _knobbed(routing.after_perceive), _targets(routing.AfterPerceive))
    graph.add_edge("probe", "perceive")
    graph.add_conditional_edges("plan", routing.after_plan, _targets(routing.AfterPlan))
    graph.add_conditional_edges("judge", _knobbed(routing.after_judge), _targets(routing.AfterJudge))
    graph.add_conditional_edges("approve", routing.after_approve, _targets(routing.AfterApprove))
    graph.add_conditional_edges("act", routing.after_act, _targets(routing.AfterAct))
    graph.add_edge("verify", "oversee")
    graph.add_conditional_edges("oversee", _knobbed(routing.after_oversee), _targets(routing.AfterOversee))
    graph.add_conditional_edges("clarify", _knobbed(routing.after_clarify), _targets(routing.AfterClarify))
    graph.add_conditional_edges("roll_back", _knobbed(routing.after_roll_back), _targets(routing.AfterRollBack))
    graph.add_edge("escalate", "explain")
    graph.add_edge("explain", "learn")
    graph.add_edge("learn", END)


def _knobbed(route: Any) -> Any:
    """A routing function with the run's knobs given to it."""

    def with_knobs(state: State, runtime: Runtime[Knobs]) -> str:
        next_node: str = route(state, knobs_of(runtime))
        return next_node

    with_knobs.__name__ = route.__name__
    return with_knobs


def _targets(literal: Any) -> list[str]:
    return list(literal.__args__)


def build(services: Services, checkpointer: BaseCheckpointSaver[Any] | None = None) -> IncidentGraph:
    """The compiled graph. Without a checkpointer the caller's runtime (Studio) brings its own."""
    compiled = incident_graph(services).compile(checkpointer=checkpointer, name="incident")
    return compiled.with_config(recursion_limit=RECURSION_LIMIT)
