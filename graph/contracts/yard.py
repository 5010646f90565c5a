"""The yard of a house: its guard, telemetry and probes, as an enforcement sees them."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping

from contracts.enforcement.observing import Reading
from contracts.enforcement.pace import boot_id
from contracts.enforcement.yard import Memories, Yard
from domain.errors import ConflictError
from domain.inventory import Service
from domain.telemetry import Telemetry
from graph.services import Probes, Services

Measure = Callable[[Service], Awaitable[Mapping[str, float]]]
"""Version → bytes in use."""


def yard_of(services: Services, telemetry: Telemetry, measure: Measure) -> Yard:
    """Ports of the app."""
    return Yard(
        inventory=services.inventory,
        guard=services.guard,
        telemetry=telemetry,
        clock=services.clock,
        note=services.note,
        memories=memories_by(measure),
        actor=lambda rollout: services.actor(rollout, rollout),
        boot=boot_id,
    )


def memories_by(measure: Measure) -> Memories:
    """Both versions' memory; of the new one alone while it has everything."""

    async def memories(service: Service, former: str, version: str, at: float) -> Reading | None:
        used = await measure(service)
        if version not in used:
            return None
        return Reading(at=at, canary=used[version], baseline=used.get(former, math.nan))

    return memories


async def serving_version(probes: Probes, service: str) -> str:
    """The version with all requests. Raises ConflictError while the traffic is split, or when nobody can tell."""
    readings = await probes.run(["release"], [service])
    facts = readings[0].values if readings else {}
    shares = {version: weight for version, weight in (facts.get("weights") or {}).items() if weight}
    if len(shares) > 1 or not facts.get("version"):
        gap = readings[0].data_gap if readings else "no probe `release` for this service"
        raise ConflictError(
            f"it is not clear which version of {service} serves",
            expected="one version that has all of the requests",
            found=", ".join(f"{version} {weight:g}" for version, weight in shares.items()) or gap,
            hint="end a split that is under way first (promote_release or rollback_release)",
        )
    return str(next(iter(shares), facts["version"]))
