"""The ten steps as nodes: each takes the report so far and returns it further. langgraph walks, `skills.executor` decides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypedDict

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import interrupt

from domain.action import Outcome, Verdict
from skills import executor
from skills.bench import Bench
from skills.report import OPINION, Report, RunStatus

RECURSION_LIMIT = 200
APPROVED = "approved"
"""The one answer that lets a waiting step go on; any other is the reason why it does not."""


class SkillState(TypedDict):
    """One run: its report as plain JSON."""

    report: dict[str, Any]


SkillGraph = CompiledStateGraph[SkillState, None, SkillState, SkillState]
Step = Callable[[Report, Bench], Awaitable[Report]]
STEPS: dict[str, Step] = {
    "look_around": executor.look_around,
    "weigh": executor.weigh,
    "check_before": executor.check_before,
    "knock": executor.knock,
    "act": executor.act,
    "verify_visible": executor.verify_visible,
    "verify_hidden": executor.verify_hidden,
    "take_back": executor.take_back,
    "sign": executor.sign,
    "suggest": executor.suggest,
    "write_back": executor.write_back,
}


def build(
    bench: Bench, checkpointer: BaseCheckpointSaver[Any] | None = None, steps: Mapping[str, Step] = STEPS
) -> SkillGraph:
    """The compiled graph of every skill run. Other `steps` than the product's are for measuring what one of them is worth."""
    graph: StateGraph[SkillState, None, SkillState, SkillState] = StateGraph(SkillState)
    for name, step in steps.items():
        graph.add_node(name, _node(step, bench))
    graph.add_node("ask", _ask)
    graph.add_node("ask_back", _ask_back)
    graph.add_edge(START, "look_around")
    graph.add_edge("look_around", "weigh")
    graph.add_edge("weigh", "check_before")
    graph.add_edge("check_before", "knock")
    graph.add_conditional_edges("knock", onward, ["ask", "act", "verify_visible", "sign"])
    graph.add_conditional_edges("ask", onward, ["act", "take_back", "ask_back", "sign"])
    graph.add_conditional_edges("act", onward, ["ask", "act", "verify_visible", "take_back", "ask_back", "sign"])
    graph.add_edge("verify_visible", "verify_hidden")
    graph.add_conditional_edges("verify_hidden", verified, ["take_back", "ask_back", "sign"])
    graph.add_conditional_edges("take_back", verified, ["take_back", "ask_back", "sign"])
    graph.add_conditional_edges("ask_back", verified, ["take_back", "ask_back", "sign"])
    graph.add_edge("sign", "suggest")
    graph.add_edge("suggest", "write_back")
    graph.add_edge("write_back", END)
    return graph.compile(checkpointer=checkpointer, name="skill").with_config(recursion_limit=RECURSION_LIMIT)


def report_of(state: SkillState) -> Report:
    """The report in a state."""
    return Report.model_validate(state["report"])


def onward(state: SkillState) -> str:
    """After the gate or a step: the next step, a person's answer first, verification, or the way back."""
    report = report_of(state)
    if report.status is not RunStatus.RUNNING:
        return "sign"
    row = executor.next_step(report)
    if row is not None:
        return "ask" if row.verdict is Verdict.ASK else "act"
    ended_well = all(s.outcome in executor.DONE for s in report.steps)
    return "verify_visible" if ended_well else _back(report)


def verified(state: SkillState) -> str:
    """A promise that was not kept is taken back as far as it can be; what only a model doubts stays, and a person looks."""
    report = report_of(state)
    seen = [s for s in (*report.visible, *report.hidden) if s.name != OPINION]
    kept = executor.all_hold(seen) and all(s.outcome in executor.DONE for s in report.steps)
    return "sign" if kept else _back(report)


def _back(report: Report) -> str:
    """Taken back, unless a step's end is not known (a person looks first) or the failed step says to leave it so."""
    unknown = any(s.outcome is Outcome.UNKNOWN for s in report.steps)
    aborted = any(s.outcome is Outcome.FAILED and s.aborts for s in report.steps)
    row = executor.next_undo(report)
    if row is None or unknown or aborted:
        return "sign"
    return "ask_back" if row.asked_back and not row.asked_back.startswith(APPROVED) else "take_back"


def _node(step: Step, bench: Bench) -> Any:
    async def node(state: SkillState) -> SkillState:
        return {"report": (await step(report_of(state), bench)).model_dump(mode="json")}

    return node


async def _ask(state: SkillState) -> SkillState:
    """Waits for the guard's approval and does nothing else; what the answer means, the guard says at the next step."""
    report = report_of(state)
    row = executor.next_step(report)
    assert row is not None, "routing sends only runs with a step left"
    told = interrupt({"approval": row.approval, "step": row.name})
    change = {"verdict": None} if told == APPROVED else {"verdict": Verdict.DENY, "summary": str(told)}
    return _changed(report, row.id, change)


async def _ask_back(state: SkillState) -> SkillState:
    """The same for a compensation that nobody pre-authorised."""
    report = report_of(state)
    row = executor.next_undo(report)
    assert row is not None, "routing sends only runs with something to take back"
    told = interrupt({"approval": row.asked_back, "step": row.name})
    if told == APPROVED:
        return _changed(report, row.id, {"asked_back": f"{APPROVED} {row.asked_back}"})
    return _changed(report, row.id, {"taken_back": False, "summary": f"{row.summary}; not taken back: {told}"})


def _changed(report: Report, step: str, change: dict[str, Any]) -> SkillState:
    steps = [s.model_copy(update=change) if s.id == step else s for s in report.steps]
    return {"report": report.model_copy(update={"steps": steps}).model_dump(mode="json")}
