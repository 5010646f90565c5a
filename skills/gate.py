"""The gate: preconditions AND budget AND policy. Every reason is told, not just the first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from domain.action import Effect
from domain.commands import blocked
from domain.inventory import Environment
from domain.runner import Profile
from skills.report import GateAnswer, Order, RiskBudget, Seen
from skills.rules.effects import inferred
from skills.schema import Skill
from skills.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True, kw_only=True)
class AtTheGate:
    """All that the gate looks at."""

    skill: Skill
    order: Order
    words: Vocabulary
    environment: Environment
    profile: Profile
    budget: RiskBudget
    preconditions: Sequence[Seen]


def judge_gate(at: AtTheGate) -> GateAnswer:
    """Open only when nothing speaks against it. A dry run never needs leave to change something."""
    reasons = [*_preconditions(at), *_budget(at), *_policy(at), *_environment(at)]
    return GateAnswer(open=not reasons, reasons=reasons)


def _preconditions(at: AtTheGate) -> Iterator[str]:
    for seen in at.preconditions:
        if seen.holds is not True:
            word = "cannot be told" if seen.holds is None else "does not hold"
            yield f"precondition {seen.name} {word}: {seen.text}"


def _budget(at: AtTheGate) -> Iterator[str]:
    if at.budget.spent > at.budget.limit:
        dear = max(at.budget.parts, key=lambda p: p.weight * p.amount)
        yield f"risk {at.budget.spent:g} is above {at.budget.limit:g}, most of it {dear.name} ({dear.why})"


def _policy(at: AtTheGate) -> Iterator[str]:
    skill = at.skill
    effects = {a.name: inferred(a, at.words) or Effect.IRREVERSIBLE for a in skill.actions}
    changing = [name for name, effect in effects.items() if effect.mutating]
    if changing and at.order.execute and not at.order.allow_mutation:
        yield f"{', '.join(changing)} would change something: allow it with --allow-mutation"
    if skill.scope.cluster_wide and "*" not in at.profile.permissions:
        yield "it is cluster-wide, and nobody granted that scope"
    undone = {c.undoes for c in skill.rollback}
    bare = [n for n in changing if n not in undone and not skill.irreversible]
    if bare:
        yield f"{', '.join(bare)} has no rollback, and the skill does not say why"
    for action in skill.actions:
        if action.command and (verb := blocked(action.command)) and effects[action.name] is not Effect.READ:
            yield f"{action.name}: `{verb}` is a person's to do"


def _environment(at: AtTheGate) -> Iterator[str]:
    if not at.profile.reachable:
        yield f"{at.profile.target} cannot be reached: {'; '.join(at.profile.problems) or 'no reason was given'}"
    if at.environment not in at.skill.scope.environments:
        allowed = ", ".join(at.skill.scope.environments)
        yield f"{at.profile.target} is in {at.environment.value}, the skill is for {allowed}"
    missing = [t for t in at.skill.metadata.required_tools if t not in at.profile.tools]
    if missing:
        yield f"{', '.join(missing)} is not there: install it on {at.profile.target}"
    needed = {f"{a.action} {at.profile.target}" for a in at.skill.actions if a.action and a.target.startswith("$")}
    if lacking := sorted(needed - set(at.profile.permissions)):
        yield f"not possible on {at.profile.target}: {', '.join(lacking)}"
