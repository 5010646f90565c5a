"""Nothing is broken without the guard: a wish waits here until the action server redeems it, once, over its own route."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from chaos.commitment import Label, seal
from chaos.errors import InjectionRefusedError
from chaos.experiment import Experiments, Request
from chaos.lease import Lease, LeaseStore
from chaos.responder import Door
from domain.errors import FirebreakError, NotFoundError


class Standing(StrEnum):
    """How a sealed injection stands, as the guard may know it."""

    WAITING = "waiting"
    ACTIVE = "active"
    RESTORED = "restored"
    ABSENT = "absent"


class Gate:
    """The only caller of `Experiments.inject`. A wish that the guard did not redeem never becomes a fault."""

    def __init__(self, experiments: Experiments, store: LeaseStore, door: Door) -> None:
        self._experiments = experiments
        self._store = store
        self._door = door
        self._waiting: dict[str, Request] = {}
        self._running: dict[str, asyncio.Task[Lease]] = {}
        self._failed: dict[str, FirebreakError] = {}

    async def inject(self, request: Request, *, change: str = "") -> Lease:
        """Ask the guard, which injects it. Raises InjectionRefusedError for a no, ChaosError when it did not take."""
        self._experiments.check(request)
        sealed = request if request.commitment else replace(request, commitment=_sealed(request))
        self._waiting[sealed.commitment] = sealed
        try:
            said = await self._door.inject(
                change or f"chaos-{sealed.commitment[:12]}", sealed.commitment, sealed.lease_s
            )
        except asyncio.CancelledError:
            await asyncio.shield(self._abandon(sealed.commitment))
            raise
        finally:
            self._waiting.pop(sealed.commitment, None)
        if (error := self._failed.pop(sealed.commitment, None)) is not None:
            raise error
        lease = self._lease(sealed.commitment)
        if not said.done or lease is None:
            raise InjectionRefusedError("the guard did not let it through", expected="its leave", found=said.text[:600])
        return lease

    async def _abandon(self, commitment: str) -> None:
        """Whoever wished for it is gone: what the guard has begun meanwhile is stopped and taken back."""
        self._waiting.pop(commitment, None)
        with contextlib.suppress(NotFoundError):
            await self.restore_sealed(commitment, by="interrupt")

    async def redeem(self, commitment: str) -> Lease:
        """The guard's order to inject what waits under this seal. Raises NotFoundError the second time."""
        request = self._waiting.pop(commitment, None)
        if request is None:
            raise NotFoundError(
                "nothing waits under this seal", expected="a wish of this server", found=commitment[:16]
            )
        task = asyncio.ensure_future(self._experiments.inject(request))
        self._running[commitment] = task
        try:
            return await task
        except FirebreakError as error:
            self._failed[commitment] = error
            raise
        finally:
            del self._running[commitment]

    async def restore(self, lease_id: str, *, by: str) -> Lease:
        """Take a fault back; needs nobody's leave, a fault only ever shrinks by it. Raises NotFoundError."""
        return await self._experiments.restore(lease_id, by=by)

    async def restore_sealed(self, commitment: str, *, by: str) -> Lease:
        """Take back what stands under this seal; an injection that is under way is stopped first. Raises NotFoundError."""
        running = self._running.get(commitment)
        if running is not None:
            running.cancel()
            await asyncio.wait({running})
        lease = self._lease(commitment)
        if lease is None:
            raise NotFoundError("no lease under this seal", expected="an injection", found=commitment[:16])
        return await self.restore(lease.id, by=by)

    def standing(self, commitment: str) -> Standing:
        """What became of a wish."""
        if commitment in self._waiting:
            return Standing.WAITING
        lease = self._lease(commitment)
        if lease is None:
            return Standing.ABSENT
        return Standing.RESTORED if lease.state.finished else Standing.ACTIVE

    def _lease(self, commitment: str) -> Lease | None:
        return next((lease for lease in self._store.leases() if lease.commitment == commitment), None)


def _sealed(request: Request) -> str:
    """A seal for an injection outside a drill; nobody opens it, the lease says at its end what it was."""
    parameters: Mapping[str, Any] = request.parameters
    label = Label(
        drill=request.drill or "",
        fault=request.fault,
        service="",
        fault_class=None,
        parameters=dict(parameters),
        magnitude=request.magnitude.value,
    )
    return seal(label).commitment
