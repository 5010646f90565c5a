"""From a skill without open parameters to a plan that the guard can judge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.action import ActionCall, Effect
from domain.plan import Plan, Step
from skills.bench import Bench
from skills.report import Report, StepReport
from skills.rules.effects import inferred
from skills.schema import Action, Skill


def plan_of(skill: Skill, report: Report, bench: Bench) -> Plan | None:
    """All actions in order; None when there is nothing to do. Dry runs are only asked what they would do."""
    steps = [_step(f"s{n}", action, skill, report, bench) for n, action in enumerate(skill.actions, 1)]
    if not steps:
        return None
    return Plan(
        id=f"plan-{report.id}",
        incident=report.id,
        hypothesis=f"skill {skill.name} {skill.version}: {skill.intent}",
        steps=steps,
        summary=skill.intent,
        source=f"skill {skill.name} {skill.version} ({report.trust}) {report.digest[:19]}",
        dry=not report.order.execute,
        created_at=bench.clock.now(),
    )


def step_reports(skill: Skill, plan: Plan) -> list[StepReport]:
    """A row per step, before anything was judged."""
    return [
        StepReport(
            id=step.id, name=action.name, call=step.call, effect=step.effect, aborts=action.on_failure == "abort"
        )
        for action, step in zip(skill.actions, plan.steps, strict=True)
    ]


def _step(id: str, action: Action, skill: Skill, report: Report, bench: Bench) -> Step:
    call = _call(id, action, skill, report)
    effect = inferred(action, bench.words) or Effect.IRREVERSIBLE
    spec = bench.words.actions.get(call.action)
    undo = next((c for c in skill.rollback if c.undoes == action.name), None)
    return Step(
        id=id,
        call=call,
        effect=spec.effect if spec else effect,
        rationale=f"step {action.name} of skill {skill.name}",
        cannot_undo="" if undo else (skill.irreversible or (spec.no_undo_reason if spec else "")),
    )


def registered_call(action: Action, read: Mapping[str, Any]) -> ActionCall:
    """A registered action with its own arguments and those that were read."""
    assert action.action is not None, "commands are carried out by a runner"
    return ActionCall(action=action.action, target=action.target, args={**action.args, **read})


def _call(id: str, action: Action, skill: Skill, report: Report) -> ActionCall:
    """A registered action as it stands; a command as the registered action that runs commands on a host."""
    if action.action is not None:
        return registered_call(action, report.read.get(action.name, {}))
    assert action.command is not None, "the schema demands one of the two"
    undo = next((c.command for c in skill.rollback if c.undoes == action.name and c.command), None)
    args: dict[str, Any] = {"step": f"{report.id}.{id}", "argv": list(action.command), "timeout_s": action.timeout_s}
    if undo is None:
        return ActionCall(action="run_command", target=action.target, args=args)
    return ActionCall(action="run_undoable_command", target=action.target, args={**args, "undo_argv": list(undo)})
