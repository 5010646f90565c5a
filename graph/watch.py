"""Looking at users for some seconds: does the service hold?"""

from __future__ import annotations

from collections.abc import Sequence

from agents.lasting import PROCESS_PROBE
from agents.verifier import HEALTH_PROBES, Watch, served
from domain.bundle import Reading
from domain.clock import Clock
from graph.services import Probes


async def watch_users(
    probes: Probes, clock: Clock, *, hold_s: float, patience_s: float, processes: Sequence[str] = ()
) -> Watch:
    """Look until users were served `hold_s` seconds without a break, or were not served after `patience_s` seconds.

    The named processes are read once they run and users are served; a break of service starts that anew.
    """
    started = clock.monotonic()
    good_since: float | None = None
    settled: dict[str, Reading] = {}
    while True:
        readings = tuple(await probes.run(list(HEALTH_PROBES)))
        now = clock.monotonic()
        good_since = (now if good_since is None else good_since) if served(readings) else None
        settled = await settle(probes, processes, settled) if good_since is not None else {}
        held = now - good_since if good_since is not None else 0.0
        if (good_since is not None and held >= hold_s) or (good_since is None and now - started >= patience_s):
            return Watch(held_s=held, wanted_s=hold_s, readings=readings, settled=settled)
        if now - started >= patience_s + 3 * hold_s:
            return Watch(held_s=held, wanted_s=hold_s, readings=readings, settled=settled)
        await clock.sleep(min(1.0, hold_s / 4))


async def settle(probes: Probes, processes: Sequence[str], known: dict[str, Reading]) -> dict[str, Reading]:
    """The first reading of each process that runs; what is known is not asked again."""
    missing = [name for name in processes if name not in known]
    if not missing:
        return known
    fresh = {r.service: r for r in await probes.run([PROCESS_PROBE], missing) if r.probe == PROCESS_PROBE and r.ok}
    return {**known, **fresh}
