"""Looking at users for some seconds: does the service hold?"""

from __future__ import annotations

from agents.verifier import HEALTH_PROBES, Watch, served
from domain.clock import Clock
from graph.services import Probes


async def watch_users(probes: Probes, clock: Clock, *, hold_s: float, patience_s: float) -> Watch:
    """Look until users were served `hold_s` seconds without a break, or were not served after `patience_s` seconds."""
    started = clock.monotonic()
    good_since: float | None = None
    while True:
        readings = tuple(await probes.run(list(HEALTH_PROBES)))
        now = clock.monotonic()
        good_since = (now if good_since is None else good_since) if served(readings) else None
        held = now - good_since if good_since is not None else 0.0
        if (good_since is not None and held >= hold_s) or (good_since is None and now - started >= patience_s):
            return Watch(held_s=held, wanted_s=hold_s, readings=readings)
        if now - started >= patience_s + 3 * hold_s:
            return Watch(held_s=held, wanted_s=hold_s, readings=readings)
        await clock.sleep(min(1.0, hold_s / 4))
