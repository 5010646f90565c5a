"""Running one thread of the graph under a lease, and projecting every superstep into the records."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast

import structlog
from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl
from langgraph.types import Command

from domain.errors import FirebreakError, LeaseLostError
from domain.incident import Incident, IncidentStatus
from graph.build import RECURSION_LIMIT, IncidentGraph
from graph.checkpoint.lease import Lease, Leases
from graph.heart import Heart
from graph.records.projection import project, shown_as
from graph.state import Knobs, State

LEASE_S = 15.0
LOCK_LOST = "the lock was lost"
"""Why a run rests after the superstep that runs now: another agent holds its lock. It goes on once the lock is free."""
NODE_STATUS: dict[str, IncidentStatus] = {
    "intake": IncidentStatus.OPEN,
    "perceive": IncidentStatus.DIAGNOSING,
    "probe": IncidentStatus.DIAGNOSING,
    "plan": IncidentStatus.PLANNING,
    "judge": IncidentStatus.PLANNING,
    "approve": IncidentStatus.WAITING,
    "act": IncidentStatus.ACTING,
    "verify": IncidentStatus.VERIFYING,
    "oversee": IncidentStatus.VERIFYING,
    "clarify": IncidentStatus.PLANNING,
    "roll_back": IncidentStatus.ACTING,
}
"""What the inbox shows while a node runs. The closing nodes show the final status."""

log = structlog.get_logger(__name__)
Project = Callable[[Incident], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a thread stands."""

    begun: bool
    open: tuple[str, ...]
    """Nodes of the superstep that is under way. One whose writes are stored stays open until its checkpoint is."""
    waiting: tuple[tuple[str, dict[str, Any]], ...]
    """(interrupt id, payload) of every open question."""
    state: State

    @property
    def ended(self) -> bool:
        """Nothing is left to do."""
        return self.begun and not self.open


class Threads:
    """Advances threads. One runner per thread at a time, by lease; a stale runner's writes are refused."""

    def __init__(
        self, graph: IncidentGraph, leases: Leases, save: Project, knobs: Knobs, holder: str, heart: Heart
    ) -> None:
        self._graph = graph
        self._leases = leases
        self._heart = heart
        self._save = save
        self._knobs = knobs
        self._holder = holder
        self._controls: dict[str, RunControl] = {}

    @property
    def knobs(self) -> Knobs:
        """What every run is given."""
        return self._knobs

    async def position(self, thread: str) -> Position:
        """Where the thread stands now."""
        snapshot = await self._graph.aget_state(_config(thread))
        waiting = tuple((i.id, i.value) for i in snapshot.interrupts)
        state = cast(State, snapshot.values or {})
        # `snapshot.next` leaves out nodes that have written: after a crash right there it is empty, and nothing has ended.
        tasks = tuple(task.name for task in snapshot.tasks)
        return Position(begun=bool(snapshot.values), open=tasks, waiting=waiting, state=state)

    async def advance(self, thread: str, given: State | Command[Any] | None) -> None:
        """Run until the thread ends, waits, is told to halt (GraphDrained is swallowed) or fails. Raises what nodes raise."""
        control = self._controls[thread] = RunControl()
        try:
            async with self._leased(thread), self._heart.beating(thread, lambda: control.request_drain(LOCK_LOST)):
                with suppress(GraphDrained):
                    await self._stream(thread, given, control)
        finally:
            self._controls.pop(thread, None)

    def ask_to_halt(self, thread: str) -> None:
        """Stop after the superstep that runs now."""
        if (control := self._controls.get(thread)) is not None:
            control.request_drain("ordered by a person")

    async def halt(self, thread: str, reason: str) -> None:
        """Turn a thread that is not running towards escalation, whatever it waited for."""
        async with self._leased(thread):
            await self._graph.aupdate_state(_config(thread), {"halt": reason}, as_node="approve")

    async def _stream(self, thread: str, given: State | Command[Any] | None, control: RunControl) -> None:
        state: State = {}
        stream = self._graph.astream(
            given,
            _config(thread),
            context=self._knobs,
            stream_mode=["values", "tasks"],
            durability="sync",
            control=control,
        )
        async for part in stream:
            mode, chunk = cast(tuple[str, Any], part)
            if mode == "values":
                state = chunk
                waiting = bool(chunk.get("__interrupt__"))
                await self._project(state, IncidentStatus.WAITING if waiting else None)
            elif "triggers" in chunk and chunk["name"] in NODE_STATUS and state.get("run"):
                await self._project(state, NODE_STATUS[chunk["name"]])

    async def _project(self, state: State, status: IncidentStatus | None) -> None:
        if not state.get("run") or not state.get("started_at"):
            return
        incident = project(state)
        await self._save(shown_as(incident, status) if status else incident)

    @asynccontextmanager
    async def _leased(self, thread: str) -> AsyncIterator[Lease]:
        lease = await self._leases.acquire(thread, self._holder, LEASE_S)
        if lease is None:
            raise LeaseLostError(f"another runner works on {thread}", hint="it goes on there")
        keeper = asyncio.create_task(self._keep(lease))
        try:
            yield lease
        finally:
            keeper.cancel()
            try:
                # Not `suppress(CancelledError)`: it would also swallow our own cancellation, and the run would go on.
                await asyncio.gather(keeper, return_exceptions=True)
            finally:
                with suppress(FirebreakError, OSError):
                    await self._leases.release(lease)

    async def _keep(self, lease: Lease) -> None:
        while True:
            await asyncio.sleep(LEASE_S / 3)
            try:
                await self._leases.renew(lease, LEASE_S)
            except LeaseLostError:
                log.warning("lease.lost", thread=lease.thread, token=lease.token)
                return
            except Exception as error:
                log.warning("lease.not_renewed", thread=lease.thread, error=type(error).__name__)


def _config(thread: str) -> Any:
    return {"configurable": {"thread_id": thread}, "recursion_limit": RECURSION_LIMIT}
