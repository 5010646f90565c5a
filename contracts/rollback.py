"""How a release is taken back: typed steps for what the change touches, what it costs, and why it may not be possible."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from contracts.context import DeploymentContext, RollbackCapability
from contracts.finding import Mark
from contracts.stance import Reversibility, Stance
from domain.contract import DataLoss, Rollback, RollbackStep, SchemaCompatibility
from domain.contract import RollbackKind as Kind

WINDOW_S = 300
_LONGER = (1, 1, 2, 3, 4)
"""Times by `Stance.caution`: the less is known, the longer a breach still takes the release back."""
_SECONDS = {
    Kind.SHIFT_TRAFFIC: 10.0,
    Kind.TURN_FLAG_OFF: 10.0,
    Kind.UNDO_RELEASE: 60.0,
    Kind.UNDO_ROLLOUT: 90.0,
    Kind.RESTORE_CONFIG: 20.0,
    Kind.RESTORE_INFRASTRUCTURE: 300.0,
    Kind.MIGRATE_DOWN: 120.0,
    Kind.FLUSH_CACHE: 15.0,
    Kind.VERIFY: 60.0,
}
"""Estimates until a rehearsal has measured them."""


def rollback_for(stance: Stance, context: DeploymentContext, marks: Collection[Mark]) -> Rollback:
    """The plan is made even where it cannot be relied on; `possible` and `reasons` say so."""
    steps = list(_steps(context, marks))
    reasons = list(_against(context, marks))
    until = [s.seconds for s in steps if s.kind is not Kind.VERIFY]
    return Rollback(
        possible=not reasons,
        window_s=WINDOW_S * _LONGER[stance.caution],
        steps=steps,
        data_loss_risk=_loss(stance.reversibility, marks),
        recovery_s=sum(s.seconds for s in steps),
        disruption_s=_SECONDS[Kind.SHIFT_TRAFFIC] if Mark.BREAKS_OLD_CODE not in marks else sum(until),
        schema_compatibility=compatibility_of(marks),
        reasons=reasons,
    )


def compatibility_of(marks: Collection[Mark]) -> SchemaCompatibility | None:
    """Whether old code lives with the new schema and new code with the old one; None where no schema changes."""
    if Mark.SCHEMA not in marks:
        return None
    opaque = Mark.OPAQUE in marks
    old: bool | None = False if Mark.BREAKS_OLD_CODE in marks else (None if opaque else True)
    new: bool | None = False if Mark.NEEDS_NEW_SCHEMA in marks else (None if opaque else True)
    reasons = ["not every statement of the migration was understood"] if opaque else []
    return SchemaCompatibility(old_code_new_schema=old, new_code_old_schema=new, reasons=reasons)


def _steps(context: DeploymentContext, marks: Collection[Mark]) -> Iterator[RollbackStep]:
    service, before = context.service_name, "the version before" + (f" {context.version}" if context.version else "")
    yield _step(Kind.SHIFT_TRAFFIC, service, f"send all traffic to {before}")
    if Mark.FLAG in marks:
        yield _step(Kind.TURN_FLAG_OFF, service, "turn the change's feature flag off")
    if Mark.KUBERNETES in marks:
        yield _step(Kind.UNDO_ROLLOUT, service, f"kubectl rollout undo deployment/{service}")
    else:
        yield _step(Kind.UNDO_RELEASE, service, f"make {before} the released one on every instance")
    if Mark.INFRASTRUCTURE in marks:
        yield _step(Kind.RESTORE_INFRASTRUCTURE, service, "apply the infrastructure's configuration of the base commit")
    if Mark.SCHEMA in marks and compatible(marks) is not True:
        yield _step(Kind.MIGRATE_DOWN, service, "run the down migrations, newest first")
    if Mark.CONFIG in marks or not marks:
        yield _step(Kind.RESTORE_CONFIG, service, f"restore the configuration that {before} ran with")
    if Mark.CACHE in marks:
        yield _step(Kind.FLUSH_CACHE, service, "drop cache entries that the new version wrote")
    yield _step(Kind.VERIFY, service, "probe as users do; every guardrail back inside its limit over its window")


def compatible(marks: Collection[Mark]) -> bool | None:
    """Whether the old code can stay on the new schema."""
    found = compatibility_of(marks)
    return found.old_code_new_schema if found else True


def _step(kind: Kind, target: str, summary: str) -> RollbackStep:
    return RollbackStep(kind=kind, target=target, summary=summary, seconds=_SECONDS[kind])


def _against(context: DeploymentContext, marks: Collection[Mark]) -> Iterator[str]:
    if Mark.DROPS_DATA in marks:
        yield "the migration destroys data: running it down makes the tables again, not what was in them"
    if Mark.NO_DOWN in marks and compatible(marks) is not True:
        yield "a migration has no way down and the old version is not known to live with the new schema"
    if Mark.IRREVERSIBLE in marks:
        yield "its author says that there is no way back"
    if context.rollback_capability is RollbackCapability.NONE:
        yield "the owner says that it cannot be rolled back"


def _loss(reversibility: Reversibility, marks: Collection[Mark]) -> DataLoss:
    if Mark.DROPS_DATA in marks:
        return DataLoss.CERTAIN
    doubtful = {Mark.REWRITES_DATA, Mark.OPAQUE, Mark.NO_DOWN, Mark.IRREVERSIBLE}
    at_risk = reversibility is not Reversibility.FULL or not doubtful.isdisjoint(marks)
    return DataLoss.POSSIBLE if at_risk else DataLoss.NONE
