"""Simple methods for comparison: one command, the nearest procedure as a list of actions, and a loop of looking and acting.

All of them use the same registered actions through the same guard. None has preconditions, hidden checks or a way back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from domain.action import ActionCall, Effect, Outcome, Verdict
from domain.guard import Actor
from domain.plan import Plan, Step
from domain.value import new_id
from skills.arguments import arguments, bound
from skills.bench import Bench
from skills.card import Family, TaskCard
from skills.evaluation.attempt import Method, Said
from skills.evaluation.habits import Habits
from skills.evaluation.task import Task
from skills.look import see_all
from skills.planning import registered_call
from skills.problem import SkillError
from skills.schema import Skill

MOST_ROUNDS = 5
"""Of looking and acting; then the loop gives up."""


def direct_command(habits: Habits) -> Method:
    """What the card makes one type; done when the command says so."""

    async def method(task: Task, bench: Bench) -> Said:
        name = habits.command(f"{task.card.intent} {task.card.diagnosis}".lower())
        done = await carried_out([ActionCall(action=name, target=task.card.workload)], bench)
        return Said(claim="done" if done else "not_done", preconditions=0.0, text=name)

    return method


async def nearest_procedure(task: Task, bench: Bench) -> Said:
    """The skill whose words are most like the card's; its actions one after the other, done when they say so."""
    skill = max((s for _, s in bench.shelf.procedures()), key=lambda s: (_likeness(task.card, s), s.name))
    try:
        calls = calls_of(skill, bench)
    except SkillError:
        return Said(claim="not_done", preconditions=0.0, text=skill.name)
    done = await carried_out(calls, bench)
    return Said(claim="done" if done else "not_done", preconditions=0.0, text=await read_off(skill, bench))


def look_and_act(habits: Habits) -> Method:
    """Look at the workload, try what the reading suggests, look again; done when it reads well."""

    async def method(task: Task, bench: Bench) -> Said:
        tried: list[str] = []
        looked = ""
        for _ in range(MOST_ROUNDS):
            wrong = [r for r in await bench.probes.run(None, [task.card.workload]) if r.ok is False]
            looked = "; ".join(r.text for r in wrong)
            if not wrong:
                return Said(claim="done" if tried else "not_done", preconditions=1.0, text="nothing wrong is seen")
            if task.card.family is Family.T1:
                return Said(claim="done", preconditions=1.0, text=looked)
            name = next((n for n in habits.reaction(looked) if n not in tried), "")
            if not name:
                break
            tried.append(name)
            await carried_out([ActionCall(action=name, target=task.card.workload)], bench)
        return Said(claim="not_done", preconditions=1.0, text=looked)

    return method


async def carried_out(calls: Sequence[ActionCall], bench: Bench) -> bool:
    """One after the other until one fails; through the guard, as one plan each."""
    for call in calls:
        spec = bench.words.actions.get(call.action)
        effect, why = (spec.effect, spec.no_undo_reason) if spec else (Effect.IRREVERSIBLE, "")
        step = Step(id="s1", call=call, effect=effect, rationale="a baseline of the benchmark", cannot_undo=why)
        name = new_id("base")
        plan = Plan(id=name, incident=name, hypothesis="", steps=[step], summary="", created_at=bench.clock.now())
        actor = Actor(agent=bench.agent, change=name, thread=name, run=name)
        (verdict,) = await bench.guard.judge(plan, actor)
        if verdict.verdict is not Verdict.ALLOW:
            return False
        receipt = await bench.guard.apply(plan.id, "s1", actor)
        if receipt.outcome not in (Outcome.SUCCEEDED, Outcome.SKIPPED):
            return False
    return True


async def read_off(skill: Skill, bench: Bench) -> str:
    """What the criteria of a procedure that only looks read now; empty for one that changes something."""
    seen = [] if skill.actions else await see_all(skill.success_criteria, bench, patient=False)
    return "; ".join(s.text for s in seen)


def calls_of(skill: Skill, bench: Bench, target: str = "") -> list[ActionCall]:
    """A procedure as a plain list of calls, with its defaults; commands are left out. Raises SkillError."""
    filled = bound(skill, arguments(skill, bench.inventory, target, {}))
    return [registered_call(action, {}) for action in filled.actions if action.action is not None]


def _likeness(card: TaskCard, skill: Skill) -> float:
    """Jaccard of the words of both (0 to 1)."""
    ours = _words(f"{card.name} {card.intent} {card.diagnosis}")
    theirs = _words(f"{skill.name} {skill.intent}")
    return len(ours & theirs) / len(ours | theirs)


def _words(text: str) -> set[str]:
    return {w for w in re.findall(r"[a-z]+", text.lower()) if len(w) > 2}
