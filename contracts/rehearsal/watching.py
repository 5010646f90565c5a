"""Whether users are served by a version: outside checks, and the requests that it answered meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.enforcement.observing import requests_of
from contracts.judge.binomial import lower
from contracts.rehearsal.ground import Ground
from contracts.rehearsal.trial import Trial
from domain.bundle import Reading
from domain.inventory import Inventory

PATIENCE_S = 30.0
"""A process that was just replaced may need so long until everything answers; a slow answer of a busy machine is asked again."""
PAUSE_S = 0.5
FEW = 20
"""Fewer requests of a version than this say nothing about it."""
RISK = 0.01
"""Of calling a version broken by chance, per look."""
SPANS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """`works` None: nothing that was looked at could tell. `ready_s`: seconds until the outside checks were answered."""

    works: bool | None
    said: str
    ready_s: float = 0.0


async def watch(trial: Trial, ground: Ground, version: str) -> Seen:
    """Wait until the outside checks are answered, then count the version's requests for a while."""
    clock = ground.yard.clock
    began, wall = clock.monotonic(), clock.now().timestamp()
    readings = await _patient(trial, ground)
    ready = clock.monotonic() - began
    if bad := [r.text for r in readings if r.ok is False]:
        return Seen(works=False, said="; ".join(bad[:3])[:400], ready_s=ready)
    await clock.sleep(trial.watch_s)
    after = await _patient(trial, ground)
    if bad := [r.text for r in after if r.ok is False]:
        return Seen(works=False, said="; ".join(bad[:3])[:400], ready_s=ready)
    answered, failed = await _counted(trial, ground, version, wall)
    if answered >= FEW and lower(failed, answered, RISK) > trial.error_limit:
        said = f"{failed} of {answered} requests of {version} failed; the contract allows {trial.error_limit:.2%}"
        return Seen(works=False, said=said, ready_s=ready)
    said = f"{len(after)} outside checks are answered; {failed} of {answered} requests of {version} failed"
    if unread := [r.text for r in after if r.ok is None]:
        return Seen(works=None, said="; ".join(unread[:3])[:400], ready_s=ready)
    return Seen(works=True if after or answered >= FEW else None, said=said, ready_s=ready)


async def _patient(trial: Trial, ground: Ground) -> Sequence[Reading]:
    clock = ground.yard.clock
    until = clock.monotonic() + PATIENCE_S
    while True:
        readings = await _checks(trial, ground)
        if all(r.ok for r in readings) or clock.monotonic() >= until:
            return readings
        await clock.sleep(PAUSE_S)


async def _checks(trial: Trial, ground: Ground) -> list[Reading]:
    return await ground.look(["http_health", "tcp_health"], around(trial.service, ground.yard.inventory))


def around(service: str, inventory: Inventory) -> list[str]:
    """The service and whoever needs it, directly or not: what users would notice."""
    return list(dict.fromkeys([service, *inventory.dependants(service)]))


async def _counted(trial: Trial, ground: Ground, version: str, since: float) -> tuple[int, int]:
    window = (since, ground.yard.clock.now().timestamp())
    spans = await ground.yard.telemetry.spans(window, services=[trial.service], limit=SPANS)
    found = [r for r in requests_of(spans, [], 0.0) if r.version == version and r.at >= since]
    return len(found), sum(r.failed for r in found)
