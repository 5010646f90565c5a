"""The risk budget (spec: Skills): B = w_scope·scope + w_mut·mutation + w_priv·privilege + w_rb·(no tested rollback) ≤ 0.6."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from domain.action import Effect
from domain.commands import unwrapped
from domain.inventory import Environment
from skills.report import BudgetPart, RiskBudget
from skills.rules.effects import inferred
from skills.schema import Skill, Stage
from skills.vocabulary import Vocabulary

LIMIT = 0.6
Term = Literal["scope", "mutation", "privilege", "no_rollback"]

WEIGHTS: Mapping[Stage, Mapping[Term, float]] = {
    Stage.DETECTION: {"scope": 0.40, "mutation": 0.15, "privilege": 0.25, "no_rollback": 0.20},
    Stage.DIAGNOSIS: {"scope": 0.30, "mutation": 0.20, "privilege": 0.30, "no_rollback": 0.20},
    Stage.RECOVERY: {"scope": 0.15, "mutation": 0.40, "privilege": 0.20, "no_rollback": 0.25},
}
"""By stage, as the field publishes them; each row sums to 1."""

_ENVIRONMENT = {Environment.SANDBOX: 0.1, Environment.STAGING: 0.4, Environment.PRODUCTION: 0.8}
_MUTATION = {Effect.READ: 0.0, Effect.TRANSIENT: 0.4, Effect.REVERSIBLE: 0.5, Effect.IRREVERSIBLE: 1.0}


def risk_budget(skill: Skill, environment: Environment, words: Vocabulary, *, tested_rollback: bool) -> RiskBudget:
    """What a run would spend. `tested_rollback`: a rehearsal has seen this version being taken back."""
    effects = [inferred(a, words) or Effect.IRREVERSIBLE for a in skill.actions]
    worst = max(effects, key=list(Effect).index, default=Effect.READ)
    parts: dict[Term, tuple[float, str]] = {
        "scope": _scope(skill, environment),
        "mutation": (
            max(_MUTATION[worst], skill.metadata.risk_level.share * worst.mutating),
            f"worst is {worst.value}",
        ),
        "privilege": _privilege(skill),
        "no_rollback": _rollback(skill, worst, tested_rollback),
    }
    weights = WEIGHTS[skill.metadata.stage]
    rows = [BudgetPart(name=n, weight=weights[n], amount=amount, why=why) for n, (amount, why) in parts.items()]
    return RiskBudget(parts=rows, limit=LIMIT)


def _scope(skill: Skill, environment: Environment) -> tuple[float, str]:
    if skill.scope.cluster_wide:
        return 1.0, "cluster-wide"
    targets = {a.target for a in skill.actions}
    amount = min(1.0, _ENVIRONMENT[environment] + 0.1 * max(0, len(targets) - 1))
    return round(amount, 2), f"{environment.value}, {len(targets)} targets"


def _privilege(skill: Skill) -> tuple[float, str]:
    commands = [a.command for a in skill.actions if a.command]
    if any(unwrapped(c) != list(c) and c[0].rsplit("/", 1)[-1] == "sudo" for c in commands):
        return 1.0, "runs as another user"
    if commands:
        return 0.5, "runs commands on a host"
    return (0.2, "registered actions only") if skill.actions else (0.0, "reads only")


def _rollback(skill: Skill, worst: Effect, tested: bool) -> tuple[float, str]:
    if not worst.mutating:
        return 0.0, "nothing to take back"
    if tested:
        return 0.0, "the rollback was rehearsed"
    if skill.rollback:
        return 0.5, "the rollback was never rehearsed"
    return (0.3, "transient only") if worst is Effect.TRANSIENT else (1.0, "cannot be taken back")
