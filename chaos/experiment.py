"""One fault under a lease: prepared, written down, injected, proven, and taken back by whoever comes first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from chaos.errors import ChaosError, InjectionRefusedError
from chaos.lease import Lease, LeaseStore
from chaos.model import Fault, Magnitude, Observation, Undo, all_ok
from chaos.oracle import steady_state
from chaos.site import Site
from domain.errors import FirebreakError
from domain.value import Value, new_id

RECEIPT_S = 15.0
"""How long a fault may take to show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What shall be broken, and for how long at most."""

    fault: str
    magnitude: Magnitude = Magnitude.MEDIUM
    parameters: Mapping[str, Any] = field(default_factory=dict)
    lease_s: float = 240.0
    blind: bool = True
    drill: str | None = None
    commitment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """Who is asked before anything breaks, and how much may be broken at once."""

    frozen: Callable[[], Awaitable[bool]]
    """Whether the governed door is frozen."""
    limit: int = 1
    max_lease_s: float = 1200.0


class Experiments:
    """Injects under a lease and restores. Holds no state of its own: everything is in the lease store."""

    def __init__(self, site: Site, store: LeaseStore, faults: Mapping[str, Fault], permission: Permission) -> None:
        self._site = site
        self._store = store
        self._faults = faults
        self._permission = permission
        self._injecting = asyncio.Lock()

    async def inject(self, request: Request) -> Lease:
        """Break it and prove it. Raises InjectionRefusedError before, ChaosError when it did not take (and is undone)."""
        async with self._injecting:
            fault = self.check(request)
            await self._refuse_frozen()
            parameters = fault.spec.parameterise(request.magnitude, request.parameters)
            lease = await self._prepare(fault, parameters, request)
            try:
                return await self._break(fault, parameters, lease)
            except (FirebreakError, OSError, asyncio.CancelledError):
                await asyncio.shield(
                    restore_lease(self._site, self._store, self._faults, lease.id, by="failed injection")
                )
                raise

    async def restore(self, lease_id: str, *, by: str) -> Lease:
        """Take a fault back now and see the steady state again. Raises NotFoundError."""
        return await restore_lease(self._site, self._store, self._faults, lease_id, by=by)

    async def restore_all(self, *, by: str) -> list[Lease]:
        """Everything that is still out on loan."""
        return [await self.restore(lease.id, by=by) for lease in self._store.leases(unfinished=True)]

    def check(self, request: Request) -> Fault:
        """The fault, when nothing here speaks against injecting it now. Raises InjectionRefusedError."""
        fault = self._fault(request.fault)
        self._allow(fault, request)
        return fault

    def _fault(self, name: str) -> Fault:
        fault = self._faults.get(name)
        if fault is None:
            known = ", ".join(sorted(self._faults)) or "none: the target set is empty"
            raise InjectionRefusedError("no such fault", expected=known, found=name, code="chaos.unknown_fault")
        return fault

    async def _refuse_frozen(self) -> None:
        if await self._permission.frozen():
            raise InjectionRefusedError(
                "the governed door is frozen", expected="a door that is open", hint="`firebreak resume` opens it"
            )

    def _allow(self, fault: Fault, request: Request) -> None:
        if (reason := self._store.halted()) is not None:
            raise InjectionRefusedError("the kill switch is thrown", found=reason, hint="POST /resume puts it back")
        standing = self._store.leases(unfinished=True)
        if len(standing) >= self._permission.limit:
            raise InjectionRefusedError(
                "too much is broken already",
                expected=f"fewer than {self._permission.limit} faults at once",
                found=f"{len(standing)} standing",
                hint="wait for the lease to end or stop it",
            )
        if not 0 < request.lease_s <= self._permission.max_lease_s:
            raise InjectionRefusedError(
                "the lease is too long",
                expected=f"at most {self._permission.max_lease_s:.0f} s",
                found=str(request.lease_s),
            )
        check_target(self._site, fault)

    async def _prepare(self, fault: Fault, parameters: Value, request: Request) -> Lease:
        undo = await fault.prepare(self._site, parameters)
        now = self._site.clock.now()
        lease = Lease(
            id=new_id("lease"),
            fault=fault.spec.name,
            parameters=parameters.model_dump(mode="json"),
            magnitude=request.magnitude,
            blind=request.blind,
            drill=request.drill,
            commitment=request.commitment,
            prepared_at=now,
            deadline=now + timedelta(seconds=request.lease_s),
            undo={**undo, "until": (now + timedelta(seconds=request.lease_s + 15)).timestamp()},
        )
        self._store.add(lease)
        return lease

    async def _break(self, fault: Fault, parameters: Value, lease: Lease) -> Lease:
        async def note(extra: Undo) -> None:
            self._store.amend(lease.id, extra)

        await fault.inject(self._site, parameters, lease.undo, note)
        active = self._store.activate(lease.id, self._site.clock.now())
        await self._prove(fault, active)
        return active

    async def _prove(self, fault: Fault, lease: Lease) -> list[Observation]:
        end = self._site.clock.monotonic() + RECEIPT_S
        while True:
            undo = self._store.get(lease.id).undo
            seen = await _look(fault.receipt(self._site, undo))
            if all_ok(seen):
                self._store.amend(lease.id, {"receipt": [o.line() for o in seen]})
                return seen
            if self._site.clock.monotonic() >= end:
                raise ChaosError(
                    "the fault did not take",
                    expected="proof from the patient that it is there",
                    found="; ".join(o.line() for o in seen if o.ok is not True),
                )
            await self._site.clock.sleep(0.3)


def check_target(site: Site, fault: Fault) -> None:
    """Refuse when the inventory does not allow chaos on what this fault disturbs. Raises InjectionRefusedError."""
    inventory = site.inventory()
    target = inventory.service(fault.spec.service)
    if target is None:
        raise InjectionRefusedError(
            "there is nothing to break", expected=f"a service {fault.spec.service} in the inventory", found="none"
        )
    if not target.chaos:
        raise InjectionRefusedError(
            "breaking is not allowed here",
            expected=f"`chaos: true` for {target.name} in the inventory",
            found="chaos: false",
            hint="allow it in firebreak.yaml, on a system that is yours to break",
        )


VERIFY_ATTEMPTS = 3
"""After so many tries a fault that is gone counts as restored even when the patient is ill for another reason."""


async def restore_lease(
    site: Site,
    store: LeaseStore,
    faults: Mapping[str, Fault],
    lease_id: str,
    *,
    by: str,
    patience_s: float = 30.0,
) -> Lease:
    """Claim the lease, take the fault back, verify, and write it down. Harmless when somebody else did it already."""
    if not store.claim(lease_id, by, site.clock.now()):
        return store.get(lease_id)
    lease = store.get(lease_id)
    cleared, users = await _restore(site, faults, lease, patience_s)
    verified = all_ok(cleared) and all_ok(users)
    restored = verified or (all_ok(cleared) and lease.attempts >= VERIFY_ATTEMPTS)
    text = "; ".join(o.line() for o in [*cleared, *users])
    return store.finish(lease_id, by=by, at=site.clock.now(), restored=restored, verified=verified, note=text)


async def _restore(
    site: Site, faults: Mapping[str, Fault], lease: Lease, patience_s: float
) -> tuple[list[Observation], list[Observation]]:
    fault = faults.get(lease.fault)
    if fault is None:
        return [Observation(name="restore", ok=False, text="this fault is not in the catalogue any more")], []
    try:
        await fault.restore(site, lease.undo)
        cleared = await fault.cleared(site, lease.undo)
    except (FirebreakError, OSError) as error:
        return [Observation(name="restore", ok=False, text=str(error))], []
    return cleared, await steady_state(site, patience_s=patience_s)


async def _look(looking: Awaitable[list[Observation]]) -> list[Observation]:
    try:
        return await looking
    except (FirebreakError, OSError) as error:
        return [Observation(name="receipt", ok=None, text=str(error))]
