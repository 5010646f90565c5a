"""Stages that change something: one step through the guard, and its undo."""

# pyright: reportTypedDictNotRequiredAccess=false
# (a run always has its ids)
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.action import ActionCall, ActionSpec, Effect, Judgement, Outcome, Tier, Verdict
from domain.errors import ConfigError
from domain.guard import Actor, Receipt
from domain.plan import Plan, Step
from domain.value import Value
from graph.pipelines.stages import Bindings, StageAnswer, StageCall, StageTemplate, StageWork
from graph.pipelines.state import PipelineState
from graph.services import Services

STEP = "s1"


class Act(Value):
    """Arguments of `act`: a registered action with its own typed arguments on one target of the inventory."""

    action: str
    target: str
    args: dict[str, Any] = {}
    why: str = ""
    accept_no_undo: bool = False
    """Said openly that this cannot be taken back."""


def _act(bindings: Bindings) -> StageWork:
    services = bindings.services

    async def work(call: StageCall) -> StageAnswer:
        spec = await _spec(services, call.args.action)
        plan = _plan(services, call, spec)
        actor, approval = actor_of(services, call.state), call.asked.get("approval")
        if approval is None:
            (judgement,) = await services.guard.judge(plan, actor)
            if judgement.verdict is Verdict.DENY:
                return StageAnswer(error=f"denied: {_against(judgement)}")
            if judgement.verdict is Verdict.ASK:
                return StageAnswer(asks={"approval": judgement.approval_id, "action": call.args.action})
        return _answer(call, plan, await services.guard.apply(plan.id, STEP, actor, approval))

    return work


def actor_of(services: Services, state: PipelineState) -> Actor:
    """The run is the change that guard, claims and ledger know."""
    return services.actor(state["run"], state["run"])


async def take_back(services: Services, state: PipelineState, change: Mapping[str, str]) -> Receipt:
    """One compensation through the guard, with the undo that was recorded when the step was applied."""
    return await services.guard.compensate(change["plan"], change["step"], actor_of(services, state))


async def _spec(services: Services, action: str) -> ActionSpec:
    specs = {spec.name: spec for spec in await services.guard.specs()}
    if action not in specs:
        raise ConfigError(f"there is no action {action!r}", expected=", ".join(sorted(specs)), found=action)
    return specs[action]


def _plan(services: Services, call: StageCall, spec: ActionSpec) -> Plan:
    name = call.state.get("pipeline_name", "")
    step = Step(
        id=STEP,
        call=ActionCall(action=spec.name, target=call.args.target, args=call.args.args),
        effect=spec.effect,
        rationale=call.args.why or f"stage {call.stage} of pipeline {name}",
        cannot_undo="" if spec.effect is Effect.REVERSIBLE else (spec.no_undo_reason or "no undo is known"),
    )
    return Plan(
        id=call.id,
        incident=call.state["run"],
        hypothesis=f"stage {call.stage} of pipeline {name}",
        steps=[step],
        source=f"pipeline {name}",
        created_at=services.clock.now(),
    )


def _answer(call: StageCall, plan: Plan, receipt: Receipt) -> StageAnswer:
    done = receipt.verdict is Verdict.ALLOW and receipt.outcome in (Outcome.SUCCEEDED, Outcome.SKIPPED)
    change = {"stage": call.stage, "plan": plan.id, "step": STEP}
    return StageAnswer(
        artifacts={"outcome": receipt.outcome.value, "summary": receipt.summary, "ledger": receipt.ledger},
        update={"changes": [change]} if receipt.undo is not None else {},
        error="" if done else f"{receipt.verdict.value}, {receipt.outcome.value}: {receipt.summary}",
    )


def _against(judgement: Judgement) -> str:
    return "; ".join(r.text for r in judgement.reasons if r.verdict is Verdict.DENY) or "no reason was given"


CHANGING_STAGES: tuple[StageTemplate, ...] = (
    StageTemplate(
        name="act",
        summary="one registered action through the guard; asks people when the guard says so",
        tier=Tier.T1,
        args=Act,
        make=_act,
        mutating=True,
    ),
)
