"""Opening a rollout: what is checked before the first request reaches the new version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.enforcement.explaining import sees
from contracts.enforcement.freeze import Exemption, frozen
from contracts.enforcement.observing import Request, requests_of, traffic_of
from contracts.enforcement.rollout import Rollout, StageRow
from contracts.enforcement.terms import aims_of, budget_of, check_ramp
from contracts.enforcement.yard import Yard
from contracts.judge.plan import Plan, plan
from contracts.versions import fresh_version
from domain.contract import Contract, ContractStatus
from domain.errors import ConfigError, ConflictError
from domain.inventory import Environment, Service
from domain.value import Value, new_id

BEFORE_S = 900.0
"""How far back the old version's traffic is looked at."""
LAG_S = 4.0
"""Spans are read this long after they happened: the collector needs its time."""
SPANS = 100_000


class Order(Value):
    """What is asked for."""

    contract: Contract
    version: str = ""
    """The version that goes out; the contract's when unsaid."""
    exemption: Exemption | None = None
    reason: str = ""
    """Why it is exempt from the freeze."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A rollout with the traffic from before it."""

    rollout: Rollout
    before: list[Request]


async def opened(order: Order, yard: Yard, person: str, former: str) -> Opened:
    """Check everything that can be checked beforehand. Raises ConfigError or ConflictError; nothing was changed then."""
    contract, service = order.contract, _service(order.contract, yard)
    _may_go_out(contract, service, yard)
    version = fresh_version(service, order.version or contract.version, former)
    check_ramp(contract)
    before = await read_before(yard, service)
    why_frozen = frozen(traffic_of(before, dimensions_of(service), former, version), budget_of(service))
    if why_frozen and (order.exemption is None or len(order.reason.strip()) < 10):
        raise ConflictError(
            f"the error budget of {service.name} is used up: deployments are frozen",
            expected="a service within its objective, or an exemption (security, p0_fix) with its reason",
            found=why_frozen,
            hint=f"mend what fails and wait: the last {BEFORE_S / 60:.0f} minutes count; or --exempt p0_fix --reason …, on record",
            code="contract.frozen",
        )
    now = yard.clock
    rollout = Rollout(
        id=new_id("dep"),
        contract=contract.model_copy(update={"status": ContractStatus.DEPLOYED}),
        service=service.name,
        version=version,
        former=former,
        started_by=person,
        exemption=f"{order.exemption.value}: {order.reason.strip()}" if why_frozen and order.exemption else "",
        stages=_rows(contract, planned_for(contract, service, before, former, version)),
        monotonic=now.monotonic(),
        wall=now.now().timestamp(),
        boot=yard.boot(),
        started_at=now.now(),
    )
    return Opened(rollout=rollout, before=before)


def planned_for(
    contract: Contract, service: Service, before: Sequence[Request], former: str, version: str
) -> Plan | None:
    """The judge's plan for the stages that split the traffic; None when the contract has none.

    Raises ConfigError when a stage is too short for any check, with how long it would have to be.
    """
    stages = [stage for stage in contract.canary.stages if stage.percent < 100]
    if not stages:
        return None
    aims = aims_of(contract, service)
    found = plan(stages, traffic_of(before, dimensions_of(service), former, version), aims)
    for stage in found.stages:
        if not stage.visible:
            needed = 1.6 * aims.minimum / (found.rate * min(stage.percent, 100 - stage.percent) / 100.0)
            raise ConfigError(
                f"the stage at {stage.percent:g} % is too short for this traffic to show anything",
                expected=f"at least {needed:.0f} s at {found.rate:.1f} requests per second",
                found=f"{stage.seconds:g} s",
                hint="make the stage longer or its share larger: an unjudged stage is no canary",
                code="request.invalid",
            )
    return found


async def read_before(yard: Yard, service: Service) -> list[Request]:
    """Requests of the last minutes, at negative seconds of the rollout's clock."""
    wall = yard.clock.now().timestamp()
    window = (wall - BEFORE_S, wall - LAG_S)
    spans = await yard.telemetry.spans(window, services=[service.name], limit=SPANS)
    return requests_of(spans, dimensions_of(service), wall)


def dimensions_of(service: Service) -> list[str]:
    """Span attributes that tell groups of users apart, by the service's release binding."""
    release = service.bindings.get("release")
    return [str(name) for name in (release.options.get("dimensions") or [])] if release else []


def _service(contract: Contract, yard: Yard) -> Service:
    service = yard.inventory.service(contract.service)
    if service is None or "release" not in service.bindings:
        raise ConfigError(
            f"{contract.service} cannot be rolled out from here",
            expected="a service of the inventory with a `release` binding",
            found="no such service" if service is None else f"bindings for {', '.join(sorted(service.bindings))}",
            code="request.invalid",
        )
    return service


def _may_go_out(contract: Contract, service: Service, yard: Yard) -> None:
    """Where it goes is the inventory's word; a contract for a sandbox opens no other environment."""
    sandbox = contract.environment is service.environment is Environment.SANDBOX
    drafts = (ContractStatus.DRAFT, ContractStatus.NEGOTIATING)
    if contract.status is not ContractStatus.APPROVED and not (sandbox and contract.status in drafts):
        raise ConflictError(
            f"contract {contract.id} is {contract.status.value}",
            expected="an approved contract; in a sandbox also a draft",
            found=f"{contract.status.value} for {service.environment.value}",
        )
    if contract.expires_at <= yard.clock.now():
        raise ConflictError(
            f"contract {contract.id} has expired", expected="a fresh one", found=str(contract.expires_at)
        )


def _rows(contract: Contract, planned: Plan | None) -> list[StageRow]:
    rows = [
        StageRow(percent=stage.percent, seconds=stage.seconds, sees=sees(stage))
        for stage in (planned.stages if planned else ())
    ]
    whole = max((stage.seconds for stage in contract.canary.stages if stage.percent >= 100), default=0)
    return [*rows, StageRow(percent=100, seconds=max(whole, contract.rollback.window_s))]
