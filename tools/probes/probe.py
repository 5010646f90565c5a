"""What a probe is, and what the probes of one run share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from domain.bundle import Reading
from domain.errors import FirebreakError
from domain.inventory import Service
from domain.redaction import redact, redact_json
from tools.control import ControlEndpoint, process_row
from tools.http import Answer, fetch
from tools.kubernetes.place import cluster_of, is_far
from tools.target import Target

if TYPE_CHECKING:
    from tools.kubernetes.client import ClusterClient

T = TypeVar("T")

BOUND_S = 2.0
"""No reading takes longer, but those of a far cluster."""

FAR_S = 8.0
"""Of a cluster that only an SSH host reaches: two servers have to let us in before the first question."""


@dataclass(slots=True)
class Shared:
    """Facts that several probes of one run need, read once, and connections that they share."""

    tasks: dict[str, asyncio.Task[Any]] = field(default_factory=dict)
    connections: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def once(self, key: str, read: Callable[[], Awaitable[T]]) -> T:
        """The result of the first caller's `read`; a caller that gives up does not disturb the others."""
        if key not in self.tasks:
            self.tasks[key] = asyncio.ensure_future(_awaited(read))
        result: T = await asyncio.shield(self.tasks[key])
        return result

    async def status(self, target: Target, aspect: str = "process") -> dict[str, Any]:
        """The status document of the control endpoint behind a binding."""
        binding = target.binding(aspect)
        process = target.service.bindings.get("process")
        where = binding.options.get("status_url") or (process.options.get("status_url") if process else "")
        return await self.once(f"status {where}", lambda: ControlEndpoint(target, binding).status())

    async def process(self, target: Target) -> dict[str, Any]:
        """The status row of the target's process."""
        binding = target.binding("process")
        name = str(binding.options.get("process") or binding.url.rstrip("/").rsplit("/", 1)[-1])
        return process_row(await self.status(target), name)

    async def metrics(self, target: Target) -> Answer:
        """The exposition page of the target."""
        url = target.service.telemetry.scrape
        return await self.once(f"metrics {url}", lambda: fetch(url, timeout_s=1.5))

    async def cluster(self, target: Target) -> ClusterClient:
        """The namespace of the target's TARGET file, with the rights of its reader."""
        file = target.path(target.binding("kubernetes"))
        opened = cluster_of(target, changing=False)
        return await self.once(f"cluster {file}", lambda: self.connections.enter_async_context(opened))

    async def close(self) -> None:
        """End what nobody waits for any more, and close connections."""
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        await self.connections.aclose()


async def _awaited(read: Callable[[], Awaitable[T]]) -> T:
    return await read()


def soon(target: Target) -> float:
    """The patience of nearly every probe, in seconds."""
    return BOUND_S


def as_far_as_it_is(target: Target) -> float:
    """The patience of a probe of a cluster, in seconds; a TARGET that cannot be read is told soon."""
    try:
        return FAR_S if is_far(target) else BOUND_S
    except FirebreakError:
        return BOUND_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One kind of reading."""

    name: str
    applies: Callable[[Service], bool]
    read: Callable[[Target, Shared], Awaitable[list[Reading]]]
    patience_s: Callable[[Target], float] = soon
    """How long one reading may take."""


def reading(probe: str, target: Target, *, ok: bool | None, text: str, gap: str = "", **values: Any) -> Reading:
    """A reading of now, redacted."""
    return Reading(
        probe=probe,
        service=target.name,
        time=target.clock.now().timestamp(),
        ok=ok,
        text=redact(text),
        values=redact_json(values),
        data_gap=redact(gap),
    )


def bound(*aspects: str) -> Callable[[Service], bool]:
    """Applies to services that have one of these bindings."""
    return lambda service: any(aspect in service.bindings for aspect in aspects)
