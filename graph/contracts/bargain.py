"""A negotiation as a graph: it waits for a move at an interrupt, takes it, and waits again until the contract is settled."""

# pyright: reportTypedDictNotRequiredAccess=false
# (the graph sends a node only states that hold what it reads)
from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypedDict

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import interrupt

from agents.negotiator import Explained
from contracts.moves import Move, moved
from contracts.negotiation import Negotiation, concluded, redrafted, withdrawn
from domain.contract import ContractStatus

RECURSION_LIMIT = 1000


class BargainState(TypedDict, total=False):
    """Plain JSON."""

    table: dict[str, Any]
    answer: dict[str, Any]


BargainGraph = CompiledStateGraph[BargainState, None, BargainState, BargainState]


def build_bargain(
    save: Callable[[Negotiation], None], checkpointer: BaseCheckpointSaver[Any] | None = None
) -> BargainGraph:
    """`save` keeps the table where it is listed from."""
    graph: StateGraph[BargainState, None, BargainState, BargainState] = StateGraph(BargainState)
    graph.add_node("ask", ask)
    graph.add_node("settle", _settling(save))
    graph.add_edge(START, "ask")
    graph.add_edge("ask", "settle")
    graph.add_conditional_edges("settle", onward, ["ask", END])
    return graph.compile(checkpointer=checkpointer, name="contract").with_config(recursion_limit=RECURSION_LIMIT)


async def ask(state: BargainState) -> BargainState:
    """Wait for a move, and do nothing else."""
    return {"answer": interrupt(question_of(table_of(state)))}


def question_of(table: Negotiation) -> dict[str, Any]:
    """What somebody who answers has to know."""
    contract = table.contract
    return {
        "contract": contract.id,
        "revision": contract.revision,
        "status": contract.status.value,
        "digest": contract.terms_digest(),
        "missing": [kind.value for kind in table.missing],
    }


def table_of(state: BargainState) -> Negotiation:
    """The negotiation in a state."""
    return Negotiation.model_validate(state["table"])


def after(table: Negotiation, answer: dict[str, Any]) -> Negotiation:
    """The table after an answer: a move, the change as it is now, or how its rollout stands. Pure; raises what the move raises."""
    if "outcome" in answer:
        return concluded(table, ContractStatus(answer["outcome"]))
    at = datetime.fromisoformat(answer["at"])
    if "withdrawn" in answer:
        return withdrawn(table, answer["withdrawn"], by=answer["by"], at=at)
    if "fresh" in answer:
        return redrafted(table, Negotiation.model_validate(answer["fresh"]), at=at)
    explained = Explained.model_validate(answer["explained"]) if "explained" in answer else None
    return moved(table, Move.model_validate(answer["move"]), by=answer["by"], at=at, explained=explained)


def onward(state: BargainState) -> str:
    """Ask again until it is settled. An approved one still waits: a commit may take the approval away, a rollout carries it out."""
    return END if table_of(state).contract.status.terminal else "ask"


def _settling(save: Callable[[Negotiation], None]) -> Any:
    async def settle(state: BargainState) -> BargainState:
        table = after(table_of(state), state["answer"])
        save(table)
        return {"table": table.model_dump(mode="json")}

    return settle
