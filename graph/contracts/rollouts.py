"""Rollouts of this app: begun, watched tick by tick, taken up again after a restart; one per service at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from traceback import format_exc
from typing import Protocol

import structlog

from contracts.enforcement.enforcer import Enforcer
from contracts.enforcement.files import RolloutFiles
from contracts.enforcement.opening import Order, opened
from contracts.enforcement.rollout import Rollout, RolloutStatus
from contracts.enforcement.yard import Yard
from domain.contract import Contract, ContractStatus
from domain.errors import ConfigError, ConflictError, FirebreakError
from graph.checkpoint.lease import Lease, Leases
from graph.tasks import end_tasks

log = structlog.get_logger(__name__)

TICK_S = 2.0
LEASE_S = 15.0
Serving = Callable[[str], Awaitable[str]]
"""Service → the version that serves now. Raises ConflictError."""


class Kept(Protocol):
    """Where contracts are kept."""

    def binding(self, contract: Contract) -> Contract:
        """The contract as it is kept, whatever a copy says. Raises ConflictError."""
        ...

    async def carried(self, contract_id: str, status: ContractStatus) -> None:
        """Be told how its rollout stands, once or more often."""
        ...


class Rollouts:
    """`start` takes up whatever was under way; `close` leaves it where it is: the files have everything."""

    def __init__(self, yard: Yard, folder: Path, leases: Leases, holder: str, serving: Serving, kept: Kept) -> None:
        self._kept = kept
        self._yard = yard
        self._files = RolloutFiles(folder)
        self._leases = leases
        self._holder = holder
        self._serving = serving
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stops: dict[str, str] = {}
        self._unwritten: dict[str, Rollout] = {}
        """What the files do not hold because they cannot be written now."""
        self._beginning = asyncio.Lock()
        """Two requests at once must not both find that nothing is under way."""

    async def start(self) -> None:
        """Go on with every rollout that had not ended; say of the others how they ended, should nobody have heard it."""
        for rollout in self._files.all():
            if rollout.status.ended:
                await self._carried(rollout)
            else:
                self._drive(rollout.id)

    async def close(self) -> None:
        """Nothing is taken back: whoever starts next goes on."""
        await end_tasks(self._tasks)

    async def submit(self, order: Order, person: str) -> Rollout:
        """Check, write down and begin one. Raises ConfigError, ConflictError: nothing was changed then."""
        async with self._beginning:
            return await self._begin(order, person)

    async def _begin(self, order: Order, person: str) -> Rollout:
        order = order.model_copy(update={"contract": self._kept.binding(order.contract)})
        service = order.contract.service
        self.refuse(service)
        if self._yard.inventory.service(service) is None:
            known = ", ".join(self._yard.inventory.names())
            raise ConfigError(
                f"the inventory has no service {service}", expected=known, found=service, code="request.invalid"
            )
        former = await self._serving(service)
        found = await opened(order, self._yard, person, former)
        self._files.keep(found.rollout.id, "before", found.before, [], 0.0)
        self._files.save(found.rollout)
        stages = [{"percent": row.percent, "seconds": row.seconds} for row in found.rollout.stages]
        await self._yard.note("rollout", found.rollout.id, {"event": "deployed", "by": person, "stages": stages})
        await self._carried(found.rollout)
        self._drive(found.rollout.id)
        return found.rollout

    def refuse(self, service: str) -> None:
        """Raises ConflictError while one of this service is under way."""
        busy = [r.id for r in self._files.all() if r.service == service and not r.status.ended]
        if busy:
            raise ConflictError(f"a rollout of {service} is under way", expected="one at a time", found=busy[0])

    def all(self) -> list[Rollout]:
        """Newest first."""
        return [self._unwritten.get(rollout.id, rollout) for rollout in self._files.all()]

    def get(self, rollout_id: str) -> Rollout:
        """Raises NotFoundError."""
        return self._unwritten.get(rollout_id) or self._files.get(rollout_id)

    async def stop(self, rollout_id: str, person: str, reason: str) -> Rollout:
        """A person takes it back. Raises NotFoundError, ConflictError."""
        rollout = self.get(rollout_id)
        if rollout.status.ended:
            raise ConflictError(f"{rollout_id} has ended", expected="one that runs", found=rollout.status.value)
        self._stops[rollout_id] = f"taken back by a person: {person}: {reason}"
        return rollout

    def _drive(self, rollout_id: str) -> None:
        task = asyncio.create_task(self._run(rollout_id), name=f"rollout {rollout_id}")
        self._tasks[rollout_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(rollout_id, None))

    async def _run(self, rollout_id: str) -> None:
        while not self.get(rollout_id).status.ended:
            try:
                await self._watch(rollout_id)
            except FirebreakError as error:
                log.warning("rollout.delayed", rollout=rollout_id, error=error.message)
            except Exception:
                log.error("rollout.broke", rollout=rollout_id, trace=format_exc(limit=-4))
            await self._yard.clock.sleep(TICK_S)
        await self._carried(self.get(rollout_id))

    async def _carried(self, rollout: Rollout) -> None:
        await self._kept.carried(rollout.contract.id, rollout.status.contract)

    async def _watch(self, rollout_id: str) -> None:
        lease = await self._leases.acquire(rollout_id, self._holder, LEASE_S)
        if lease is None:
            return
        keeper = asyncio.create_task(self._keep(lease))
        try:
            enforcer = Enforcer(self.get(rollout_id), self._yard, self._files)
            while not enforcer.rollout.status.ended or enforcer.unsaved:
                if (why := await self._why_stop(enforcer.rollout)) and enforcer.rollout.back_at is None:
                    await enforcer.stop(why)
                await enforcer.tick()
                self._held(enforcer)
                await self._yard.clock.sleep(TICK_S)
        finally:
            keeper.cancel()
            with suppress(FirebreakError, OSError):
                await self._leases.release(lease)

    def _held(self, enforcer: Enforcer) -> None:
        """Shown from here while it cannot be written; whoever takes over after a crash takes it back again."""
        rollout = enforcer.rollout
        if enforcer.unsaved:
            log.error("rollout.unwritten", rollout=rollout.id, error=enforcer.unsaved)
            self._unwritten[rollout.id] = rollout.noted(f"not written down: {enforcer.unsaved}")
        else:
            self._unwritten.pop(rollout.id, None)

    async def _why_stop(self, rollout: Rollout) -> str:
        """A person's word; or that somebody else, an incident perhaps, gave everything back to the former version."""
        if why := self._stops.pop(rollout.id, ""):
            return why
        given = rollout.now.began_at is not None and rollout.status in (RolloutStatus.RUNNING, RolloutStatus.WAITING)
        try:
            back = given and await self._serving(rollout.service) == rollout.former
        except FirebreakError:  # it is split, as it should be, or nobody can tell
            return ""
        return f"somebody gave all requests back to {rollout.former} meanwhile" if back else ""

    async def _keep(self, lease: Lease) -> None:
        while True:
            await asyncio.sleep(LEASE_S / 3)
            with suppress(FirebreakError, OSError):
                await self._leases.renew(lease, LEASE_S)
