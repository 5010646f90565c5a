"""The reaper: its own process, which takes back every fault whose time is up, whoever made it and whatever became of them."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from chaos.experiment import restore_lease
from chaos.lease import Lease, LeaseStore, due
from chaos.model import Fault
from chaos.site import Site
from domain.errors import FirebreakError

TICK_S = 0.5
"""How often deadlines are looked at."""

_log = structlog.get_logger("chaos.reaper")


async def run_reaper(site: Site, store: LeaseStore, faults: Mapping[str, Fault], *, tick_s: float = TICK_S) -> None:
    """Restore what is due, for ever. A failure is logged and tried again; it never ends the reaper."""
    while True:
        try:
            await reap(site, store, faults)
        except (FirebreakError, OSError) as error:
            _log.warning("reaper.failed", error=str(error))
        await site.clock.sleep(tick_s)


async def reap(site: Site, store: LeaseStore, faults: Mapping[str, Fault]) -> list[Lease]:
    """One round: everything that is due now."""
    waiting = store.leases(unfinished=True)
    if not waiting:
        return []
    halted = store.halted() is not None
    restored = []
    for lease in due(waiting, site.clock.now(), halted=halted):
        done = await restore_lease(site, store, faults, lease.id, by="kill" if halted else "reaper")
        _log.info("lease.restored", lease=done.id, by=done.restored_by, verified=done.verified)
        restored.append(done)
    return restored


async def restore_everything(
    site: Site, store: LeaseStore, faults: Mapping[str, Fault], *, by: str, patience_s: float = 5.0
) -> list[Lease]:
    """For a shutdown: take back all that is out, due or not, without waiting long for the patient."""
    return [
        await restore_lease(site, store, faults, lease.id, by=by, patience_s=patience_s)
        for lease in store.leases(unfinished=True)
    ]
