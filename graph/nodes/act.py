"""act and roll_back: tool nodes whose tools are guard clients. Each carries out exactly one step or one compensation."""

# pyright: reportTypedDictNotRequiredAccess=false
# (routing sends a node only states that hold what it reads)
from __future__ import annotations

from datetime import datetime
from typing import Any

from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.prebuilt import ToolNode

from domain.action import Judgement, Outcome, Verdict
from domain.guard import Guard, Receipt
from domain.incident import IncidentStatus, TimelineEntry
from domain.plan import Step, StepResult
from graph.changes import meanwhile
from graph.nodes.walk import denials, enter, entry, revoked_by
from graph.routing import current_step, judgement_of, was_carried_out
from graph.services import Services
from graph.state import State


def guard_tools(services: Services) -> ToolNode:
    """`apply_step` and `compensate_step`: the only two things a run can do to the world."""
    guard: Guard = services.guard

    async def apply_step(plan: str, step: str, incident: str, run: str, approval: str = "") -> tuple[str, Receipt]:
        receipt = await guard.apply(plan, step, services.actor(incident, run), approval or None)
        return receipt.summary, receipt

    async def compensate_step(plan: str, step: str, incident: str, run: str) -> tuple[str, Receipt]:
        receipt = await guard.compensate(plan, step, services.actor(incident, run))
        return receipt.summary, receipt

    return ToolNode(
        [
            _tool(apply_step, "Carry out one judged step through the guard."),
            _tool(compensate_step, "Take one applied step back through the guard."),
        ],
        name="guard",
        handle_tool_errors=False,
    )


def _tool(function: Any, description: str) -> BaseTool:
    return StructuredTool.from_function(
        coroutine=function, name=function.__name__, description=description, response_format="content_and_artifact"
    )


async def call_guard(tools: ToolNode, name: str, args: dict[str, Any], call_id: str, config: RunnableConfig) -> Receipt:
    """One tool call through the tool node; the receipt is the message's artifact."""
    call = {"name": name, "args": args, "id": call_id, "type": "tool_call"}
    answer = await tools.ainvoke([call], config)
    message = (answer["messages"] if isinstance(answer, dict) else answer)[0]
    assert isinstance(message, ToolMessage)
    receipt: Receipt = message.artifact
    return receipt


def make_act(services: Services) -> Any:
    """One step. Asking the guard again for the same step never takes effect twice, so a crash here is harmless."""
    tools = guard_tools(services)

    async def act(state: State, config: RunnableConfig) -> dict[str, Any]:
        plan, step = state["plan"], current_step(state)
        assert plan is not None, "routing sends only plans here"
        assert step is not None, "routing sends only steps here"
        await services.leases.check(thread_of(config, state))
        now = services.clock.now()
        stale = "" if was_carried_out(state) else await meanwhile(services.changes, plan, now)
        if stale:
            return outdated(state, stale, now)
        args = {"plan": plan.id, "step": step.id, "incident": state["incident"], "run": state["run"]}
        judgement = judgement_of(state, step)
        approval = {"approval": judgement.approval_id} if judgement and judgement.approval_id else {}
        receipt = await call_guard(tools, "apply_step", {**args, **approval}, f"{plan.id}:{step.id}", config)
        return acted(state, step, receipt, services.clock.now())

    return act


def outdated(state: State, stale: str, now: datetime) -> dict[str, Any]:
    """Somebody changed what the plan rests on: nothing is done, the world is looked at again."""
    text = f"the plan rests on an old state, nothing was done: {stale}"
    return {
        "stale": stale,
        "status": IncidentStatus.VERIFYING,
        "phases": enter(state, "act"),
        "timeline": [entry(now, "plan.outdated", text)],
    }


def thread_of(config: RunnableConfig, state: State) -> str:
    """The thread that runs this; the incident's id where there is no checkpointer."""
    return str(config.get("configurable", {}).get("thread_id") or state["incident"])


def acted(state: State, step: Step, receipt: Receipt, now: datetime) -> dict[str, Any]:
    """What a receipt means for the run: done (in whatever way), asked, or refused."""
    update: dict[str, Any] = {"timeline": [receipt_entry(step, receipt, now)]}
    if receipt.verdict is Verdict.ALLOW:
        return {**update, "results": [step_result(step, receipt, now)], "status": IncidentStatus.VERIFYING}
    verdict = Judgement(
        step_id=step.id,
        verdict=receipt.verdict,
        reasons=receipt.reasons,
        approval_id=receipt.approval_id,
        judged_at=now,
    )
    frozen = denials(verdict, "freeze")
    denied = receipt.verdict is Verdict.DENY
    return {
        **update,
        "judgements": [verdict],
        "approvals": [receipt.approval_id] if receipt.approval_id else [],
        "refused": [f"{step.call.action} {step.call.target}"] if denied else [],
        "halt": state.get("halt") or (frozen[0] if frozen else ""),
        **revoked_by([verdict]),
        "status": IncidentStatus.PLANNING if denied else IncidentStatus.WAITING,
    }


def step_result(step: Step, receipt: Receipt, now: datetime, *, compensation: bool = False) -> StepResult:
    """The receipt as the run remembers it."""
    return StepResult(
        step_id=step.id,
        action=step.call.action,
        target=step.call.target,
        outcome=receipt.outcome,
        summary=receipt.summary,
        seconds=receipt.seconds,
        ledger=receipt.ledger,
        undo=None if compensation else receipt.undo,
        compensation=compensation,
        at=now,
    )


def receipt_entry(step: Step, receipt: Receipt, at: datetime) -> TimelineEntry:
    """One attempt on the timeline, with its ledger entries."""
    event = "step.applied" if receipt.verdict is Verdict.ALLOW else "step.refused"
    word = receipt.outcome.value if receipt.verdict is Verdict.ALLOW else receipt.verdict.value
    text = f"{step.call.action} on {step.call.target}: {word}. {receipt.summary}".rstrip()
    return entry(
        at, event, text, evidence=[f"L{n}" for n in receipt.ledger], step=step.id, outcome=receipt.outcome.value
    )


def make_roll_back(services: Services) -> Any:
    """One compensation, newest step first. What must not be taken back unattended waits for a person."""
    tools = guard_tools(services)

    async def roll_back(state: State, config: RunnableConfig) -> dict[str, Any]:
        plan, waiting = state["plan"], state["undoing"]
        assert plan is not None, "routing sends only plans here"
        step = next(s for s in plan.steps if s.id == waiting[0])
        await services.leases.check(thread_of(config, state))
        args = {"plan": plan.id, "step": step.id, "incident": state["incident"], "run": state["run"]}
        receipt = await call_guard(tools, "compensate_step", args, f"{plan.id}:{step.id}:undo", config)
        return taken_back(state, step, receipt, services.clock.now())

    return roll_back


def undo_asked(step: Step, approval_id: str, why: str, now: datetime) -> dict[str, Any]:
    """No approval named this compensation beforehand: a person is asked, and the step stays first in the list."""
    text = f"taking {step.call.action} on {step.call.target} back waits for a person: {why}"
    return {
        "undo_asked": approval_id,
        "approvals": [approval_id],
        "status": IncidentStatus.WAITING,
        "timeline": [entry(now, "rollback.asked", text, step=step.id, approval=approval_id)],
    }


def taken_back(state: State, step: Step, receipt: Receipt, now: datetime) -> dict[str, Any]:
    """What a compensation's receipt means for the run."""
    if receipt.verdict is Verdict.ASK and receipt.approval_id:
        return undo_asked(step, receipt.approval_id, receipt.summary, now)
    done = receipt.verdict is Verdict.ALLOW and receipt.outcome in (Outcome.SUCCEEDED, Outcome.SKIPPED)
    text = f"{step.call.action} on {step.call.target} taken back: {receipt.outcome.value}. {receipt.summary}".rstrip()
    allowed = receipt.verdict is Verdict.ALLOW
    return {
        "undoing": state["undoing"][1:],
        "undo_asked": "",
        "results": [step_result(step, receipt, now, compensation=True)] if allowed else [],
        "halt": state.get("halt")
        or ("" if done else f"taking {step.call.action} back needs a person: {receipt.summary}"),
        "status": IncidentStatus.ACTING,
        "timeline": [entry(now, "step.rolled_back", text, evidence=[f"L{n}" for n in receipt.ledger], step=step.id)],
    }
