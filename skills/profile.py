"""What a target of the inventory can do and what we may do there, asked once a minute."""

from __future__ import annotations

from domain.errors import EvidenceError, FirebreakError
from domain.inventory import Service
from domain.runner import Profile
from skills.bench import Bench

FRESH_S = 60.0
REACHED = frozenset({"host", "kubernetes"})
"""Bindings behind which a runner can look by itself."""


async def profile_of(target: str, bench: Bench) -> Profile:
    """The cached profile, or a fresh one."""
    now = bench.clock.monotonic()
    known = bench.profiles.get(target)
    if known is not None and now - known[0] < FRESH_S and known[1].reachable:
        return known[1]
    found = await _look(target, bench)
    bench.profiles[target] = (now, found)
    return found


async def _look(target: str, bench: Bench) -> Profile:
    service = bench.inventory.service(target)
    here = await _here(target, service, bench)
    if service is None or not REACHED & service.bindings.keys():
        return here
    try:
        remote = await _there(target, bench)
    except FirebreakError as error:
        return here.model_copy(update={"reachable": False, "problems": [*here.problems, *error.lines()]})
    permissions = sorted({*remote.permissions, *here.permissions})
    return remote.model_copy(update={"target": target, "permissions": permissions})


async def _there(target: str, bench: Bench) -> Profile:
    runner = bench.reader(target)
    if runner is None:
        raise EvidenceError(
            f"no runner reaches {target}", expected="a `host` or `kubernetes` binding with its TARGET file"
        )
    try:
        return await runner.profile()
    finally:
        await runner.aclose()


async def _here(target: str, service: Service | None, bench: Bench) -> Profile:
    """A service that probes read and registered actions change."""
    problems = [] if service else [f"{target} is not in the inventory"]
    door = True
    try:
        status = await bench.guard.status()
        problems += [f"frozen by {status.frozen_by}"] if status.frozen else []
    except FirebreakError as error:
        problems, door = [*problems, error.message], False
    return Profile(
        target=target,
        runner="local",
        reachable=service is not None and door,
        permissions=sorted(_actions(service, bench)) if service else [],
        nodes=list(service.hosts) if service else [],
        problems=problems,
        taken_at=bench.clock.now(),
    )


def _actions(service: Service, bench: Bench) -> list[str]:
    """`action target` for every registered action that fits the service's kind and bindings."""
    return [
        f"{spec.name} {service.name}"
        for spec in bench.words.actions.values()
        if (not spec.target_kinds or service.kind in spec.target_kinds)
        and (not spec.binding or any(aspect in service.bindings for aspect in spec.binding.split("|")))
    ]
