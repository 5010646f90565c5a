"""Opening a trial: what is refused before anything is changed, with the reason."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.change.migrations import read_migration
from contracts.finding import Mark
from contracts.rehearsal.ground import Ground, Upcoming
from contracts.rehearsal.trial import Trial, Wish
from contracts.versions import fresh_version
from domain.action import ActionSpec, Effect
from domain.contract import Contract, ContractStatus, Metric, RollbackKind
from domain.errors import ConfigError, ConflictError
from domain.inventory import Environment, Inventory, Service
from domain.value import new_id

RELEASE, MIGRATE, FLUSH = "promote_release", "migrate", "clear_cache"
DONE_HERE = {
    RollbackKind.SHIFT_TRAFFIC,
    RollbackKind.UNDO_RELEASE,
    RollbackKind.MIGRATE_DOWN,
    RollbackKind.RESTORE_CONFIG,
    RollbackKind.FLUSH_CACHE,
    RollbackKind.VERIFY,
}
"""Steps of a plan that can be carried out with the actions that the guard knows."""
_OPEN = (ContractStatus.DRAFT, ContractStatus.NEGOTIATING)


async def opened(contract: Contract, wish: Wish, ground: Ground, person: str, former: str) -> Trial:
    """`former`: the version that serves now. Raises ConfigError or ConflictError; nothing was changed then."""
    service = stage_of(contract, wish, ground.yard.inventory)
    _possible(contract)
    version = fresh_version(service, wish.version or contract.version, former)
    kinds = {step.kind for step in contract.rollback.steps}
    coming = await _coming(contract, wish, ground, service)
    flushed = cache_below(service.name, ground.yard.inventory) if RollbackKind.FLUSH_CACHE in kinds else ""
    wanted = [RELEASE, *([MIGRATE] if coming else [])]
    _inverse({spec.name: spec for spec in await ground.yard.guard.specs()}, wanted)
    now = ground.yard.clock.now()
    return Trial(
        id=new_id("trial"),
        contract=contract.id,
        context=contract.context,
        service=service.name,
        version=version,
        former=former,
        revision=coming.revision if coming else "",
        downs=RollbackKind.MIGRATE_DOWN in kinds,
        flushes=flushed,
        error_limit=_error_limit(contract),
        watch_s=wish.watch_s,
        by=person,
        started_at=now,
    )


def stage_of(contract: Contract, wish: Wish, inventory: Inventory) -> Service:
    """Where it is rehearsed. Raises ConfigError."""
    name = wish.on or contract.service
    service = inventory.service(name)
    if service is None or "release" not in service.bindings:
        raise ConfigError(
            f"{name} cannot be rehearsed on from here",
            expected="a service of the inventory with a `release` binding",
            found="no such service" if service is None else f"bindings for {', '.join(sorted(service.bindings))}",
            hint="firebreak contract rehearse ID --on SERVICE names one that stands for it",
            code="request.invalid",
        )
    if service.environment is Environment.PRODUCTION:
        raise ConfigError(
            f"{name} is in production: nothing is rehearsed on users",
            expected="a service in a sandbox or in staging",
            found=service.environment.value,
            hint="firebreak contract rehearse ID --on SERVICE names one that stands for it",
            code="request.invalid",
        )
    return service


def _possible(contract: Contract) -> None:
    if contract.status not in _OPEN:
        raise ConflictError(
            f"contract {contract.id} is {contract.status.value}",
            expected="one that is not signed yet",
            found=contract.status.value,
            code="contract.closed",
        )
    if not contract.rollback.possible:
        raise ConflictError(
            "there is no way back to rehearse",
            expected="a change that can be taken back",
            found="; ".join(contract.rollback.reasons),
            hint="split it: first expand, remove in a later release (--offer expand_then_contract)",
            code="contract.irreversible",
        )
    strange = [step.kind.value for step in contract.rollback.steps if step.kind not in DONE_HERE]
    if strange:
        raise ConflictError(
            "the plan has steps that cannot be carried out from here",
            expected=", ".join(sorted(kind.value for kind in DONE_HERE)),
            found=", ".join(strange),
            hint="rehearse where it runs, and put the record down: --prove rollback_rehearsal=… --rehearsal FILE",
            code="contract.not_rehearsed_here",
        )


async def _coming(contract: Contract, wish: Wish, ground: Ground, service: Service) -> Upcoming | None:
    """The migrations that would run; None when the schema is not touched. One that destroys data is refused."""
    if contract.rollback.schema_compatibility is None and not wish.revision:
        return None
    if "migration" not in service.bindings:
        raise ConfigError(
            f"the change touches the schema, and nothing migrates that of {service.name}",
            expected="a `migration` binding",
            found=", ".join(sorted(service.bindings)),
            code="request.invalid",
        )
    coming = await ground.pending(service.name, wish.revision)
    for path, text in coming.sources:
        for found in read_migration(path, text):
            if found.marks & {Mark.DROPS_DATA, Mark.NO_DOWN}:
                raise ConflictError(
                    "this migration is not tried out: no rehearsal brings back what it destroys",
                    expected="a migration that keeps all data and has a way down",
                    found=f"{', '.join(found.where)}: {found.reason}",
                    hint="split it: first expand, remove in a later release (--offer expand_then_contract)",
                    code="contract.irreversible",
                )
    return coming


def _inverse(specs: dict[str, ActionSpec], wanted: Sequence[str]) -> None:
    for name in wanted:
        spec = specs.get(name)
        if spec is None or spec.effect is not Effect.REVERSIBLE or not spec.undo:
            raise ConflictError(
                f"{name} has no inverse: what it does could not be taken back",
                expected="an action whose undo brings the former state back",
                found="no such action" if spec is None else spec.no_undo_reason or spec.effect.value,
                code="contract.irreversible",
            )


def cache_below(service: str, inventory: Inventory) -> str:
    """The first service below this one that is a cache; empty when none is: then there is nothing to flush."""
    seen, queue = {service}, [service]
    while queue:
        name = queue.pop(0)
        found = inventory.service(name)
        if found is not None and "cache" in found.bindings:
            return name
        fresh = [n for n in (found.depends_on if found else ()) if n not in seen]
        seen.update(fresh)
        queue.extend(fresh)
    return ""


def _error_limit(contract: Contract) -> float:
    return next((g.limit for g in contract.guardrails if g.metric is Metric.ERROR_RATE), 1.0) / 100.0
