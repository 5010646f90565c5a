"""Which proofs a contract asks for. Each rule is a list of reasons; more risk, doubt or irreversibility only adds some."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from contracts.finding import Mark
from contracts.stance import Reversibility, Stance, Trust
from domain.contract import Guardrail, Validator
from domain.contract import ValidatorKind as Kind
from domain.risk import FactorName as F
from domain.risk import RiskLevel as Level

_LOADED = {F.TRAFFIC, F.CONCURRENCY, F.CACHING, F.SCHEMA, F.STORAGE}
_GUARDED = {F.PERMISSIONS, F.SECRETS, F.INFRASTRUCTURE}


def validators_for(
    stance: Stance, factors: Collection[F], marks: Collection[Mark], accepted: Collection[Guardrail]
) -> list[Validator]:
    """Required ones first; `accepted` are the guardrails that only promise to be no worse than today."""
    rules = (
        (Kind.TESTS, ["always"], ""),
        (Kind.CANARY, list(_canary(stance)), "recommended at medium risk" if stance.level is Level.MEDIUM else ""),
        (Kind.ROLLBACK_PLAN, list(_plan(stance)), "the plan below costs nothing to follow"),
        (Kind.ROLLBACK_REHEARSAL, list(_rehearsal(stance)), "a rehearsed way back is a known one"),
        (Kind.FEATURE_FLAG, list(_flag(marks)), ""),
        (Kind.SECOND_REVIEWER, list(_reviewer(stance, factors)), ""),
        (Kind.LOAD_TEST, list(_load(stance, factors)), ""),
        (Kind.MANUAL_APPROVAL, list(_approval(stance, accepted)), ""),
    )
    asked = [Validator(kind=kind, required=True, reason="; ".join(why)) for kind, why, _ in rules if why]
    advised = [Validator(kind=kind, required=False, reason=advice) for kind, why, advice in rules if not why and advice]
    return [*asked, *advised]


def _canary(stance: Stance) -> Iterator[str]:
    if stance.level.at_least(Level.HIGH):
        yield f"{stance.level.value} risk"


def _plan(stance: Stance) -> Iterator[str]:
    if stance.level.at_least(Level.MEDIUM):
        yield f"{stance.level.value} risk"
    if stance.reversibility is not Reversibility.FULL:
        yield f"reversibility is {stance.reversibility.value}"


def _rehearsal(stance: Stance) -> Iterator[str]:
    if stance.level.at_least(Level.HIGH):
        yield f"{stance.level.value} risk is only signed with a recent rehearsal"
    if stance.reversibility is Reversibility.NONE:
        yield "what cannot be taken back has to be shown to be survivable"


def _flag(marks: Collection[Mark]) -> Iterator[str]:
    if Mark.SCHEMA in marks:
        yield "the database changes: code that uses it must be switchable without a release"


def _reviewer(stance: Stance, factors: Collection[F]) -> Iterator[str]:
    if stance.level.at_least(Level.HIGH):
        yield f"{stance.level.value} risk"
    if stance.trust is Trust.POOR:
        yield f"the score is uncertain (confidence {stance.confidence:.2f})"
    if touched := _GUARDED.intersection(factors):
        yield "it touches " + ", ".join(sorted(f.value.replace("_", " ") for f in touched))
    if stance.reversibility is Reversibility.NONE:
        yield "it cannot be taken back"


def _load(stance: Stance, factors: Collection[F]) -> Iterator[str]:
    touched = sorted(f.value.replace("_", " ") for f in _LOADED.intersection(factors))
    if touched and stance.level.at_least(Level.HIGH):
        yield f"{', '.join(touched)} at {stance.level.value} risk"


def _approval(stance: Stance, accepted: Collection[Guardrail]) -> Iterator[str]:
    if stance.level is Level.CRITICAL:
        yield "critical risk"
    if stance.reversibility is Reversibility.NONE:
        yield "it cannot be taken back"
    if accepted:
        yield "already outside its limits today: " + ", ".join(g.metric.value for g in accepted)
