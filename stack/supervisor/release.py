"""Changing the version of the api without users noticing: a spare takes over while the main process is replaced."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress

from stack.problem import ProblemError
from stack.supervisor.settled import VERSIONS, Release
from stack.supervisor.supervisor import Supervisor
from stack.wire import fetch

READY_S = 24.0
"""Two of these, the spare's and its own, and two of WARM_S fit into the minute that whoever asks waits."""
WARM_S = 3.0
"""So long a fresh process may take to open its connections before users come. It gets them afterwards in any case: what it
waits for may be what the release is to mend."""


async def apply(stack: Supervisor, version: str, weights: Mapping[str, float]) -> bool:
    """Bring the wanted release about. True when something changed. Raises ProblemError and leaves the former one serving."""
    former = stack.settled.release
    wanted = Release(
        version=version,
        previous=former.version if former.version != version else former.previous,
        weights={name: float(weights.get(name, 0)) for name in VERSIONS},
    )
    if wanted.version == former.version and dict(wanted.weights) == {k: float(v) for k, v in former.weights.items()}:
        return False
    try:
        await (_split(stack, wanted) if wanted.split else _single(stack, wanted))
    finally:
        stack.rolling = None
    return True


async def _split(stack: Supervisor, wanted: Release) -> None:
    running = stack.versions()["api"]
    if running != "v1":
        await _roll(stack, "v1")
    await _spare(stack, {"api": "v1", "api-v2": "v2"})
    await _warm(stack, "api-v2")
    stack.settle(release=wanted)
    await stack.set_backends()


async def _single(stack: Supervisor, wanted: Release) -> None:
    if stack.versions()["api"] != wanted.version:
        await _roll(stack, wanted.version)
    stack.settle(release=wanted)
    await stack.set_backends()
    await stack.fleet.processes["api-v2"].stop()


async def _roll(stack: Supervisor, version: str) -> None:
    """Spare up with the new version, traffic to it, main process replaced, traffic back."""
    running = stack.versions()["api"]
    await _spare(stack, {"api": running, "api-v2": version})
    await _warm(stack, "api-v2")
    await stack.set_backends("api-v2")
    stack.rolling = {"api": version, "api-v2": version}
    api = stack.fleet.processes["api"]
    await api.stop()
    await api.start()
    late = await stack.fleet.wait_ready(["api"], READY_S)
    if late:
        stack.rolling = {"api": running, "api-v2": version}
        await api.stop()
        await api.start()
        await stack.fleet.wait_ready(["api"], READY_S)
        await stack.set_backends("api")
        await stack.fleet.processes["api-v2"].stop()
        raise _not_ready(version)
    await _warm(stack, "api")
    await stack.set_backends("api")


async def _spare(stack: Supervisor, versions: dict[str, str]) -> None:
    spare = stack.fleet.processes["api-v2"]
    if stack.rolling is None and spare.pid is not None and stack.versions() == versions:
        return
    await spare.stop()
    stack.rolling = versions
    await spare.start()
    if await stack.fleet.wait_ready(["api-v2"], READY_S):
        await spare.stop()
        raise _not_ready(versions["api-v2"])


async def _warm(stack: Supervisor, name: str) -> None:
    deadline = time.monotonic() + WARM_S
    while time.monotonic() < deadline:
        with suppress(OSError, TimeoutError, ValueError):
            if (await fetch("GET", f"{stack.fleet.processes[name].spec().url}/readyz", timeout_s=1.0)).status == 200:
                return
        await asyncio.sleep(0.1)


def _not_ready(version: str) -> ProblemError:
    return ProblemError(
        409,
        "release.not_ready",
        f"{version} did not become ready within {READY_S:g} s; the former release serves on",
        hint="read the api-v2 log",
    )
