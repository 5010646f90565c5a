"""What the inventory and objectives add to a context: neighbours, dependants, targets. They fill gaps or tighten, never loosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from contracts.context import DeploymentContext, Level, Neighbour
from contracts.openslo import Field, Objective, tightest
from domain.inventory import Inventory, Service, Slo


def placed(context: DeploymentContext, inventory: Inventory) -> DeploymentContext:
    """With what the inventory knows of its service; unchanged when it does not know it."""
    service = inventory.service(context.service_name)
    if service is None:
        return context
    known = {n.service_name for n in context.dependencies}
    neighbours = [_neighbour(inventory, name) for name in service.depends_on if name not in known]
    facts: dict[str, object] = {
        "dependencies": [*context.dependencies, *neighbours],
        "dependants": list(dict.fromkeys((*context.dependants, *inventory.dependants(service.name)))),
        "owner": context.owner or service.owner,
        "environment": service.environment,
    }
    return aimed(context.model_copy(update=facts), _targets(service))


def aimed(context: DeploymentContext, objectives: Sequence[Objective]) -> DeploymentContext:
    """With the strictest of its own targets and these."""
    return context.model_copy(update=dict(_stricter(context, tightest(objectives, context.service_name))))


def _stricter(context: DeploymentContext, found: Mapping[Field, float]) -> list[tuple[str, float]]:
    own = {name: getattr(context, name) for name in found}
    return [(name, value if own[name] is None else min(value, own[name])) for name, value in found.items()]


def _neighbour(inventory: Inventory, name: str) -> Neighbour:
    service = inventory.service(name)
    level = Level(service.criticality.value) if service else Level.MEDIUM
    return Neighbour(service_name=name, service_type=service.kind if service else "", criticality=level)


def _targets(service: Service) -> list[Objective]:
    found = [_target(service.name, slo) for slo in service.slos]
    return [objective for objective in found if objective is not None]


def _target(service: str, slo: Slo) -> Objective | None:
    if slo.sli in ("availability", "error_ratio"):
        value = round(100 * (1 - slo.target), 6)
        return Objective(name=slo.name, service=service, field="target_error_rate", value=value)
    if slo.sli == "latency_p95":
        return Objective(name=slo.name, service=service, field="target_p95", value=1000 * slo.target)
    return None
