"""What a user sees from outside while a drill runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from chaos.errors import ChaosError
from chaos.oracle import SLOW_MS, VISIT_GAP_S
from chaos.site import Site


class OutsideWatch:
    """Visits the shop all the time: since when users have been served without a break, and how often they were not."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.served_since: datetime | None = None
        self.visits = 0
        self.bad: list[str] = []
        """What each visit that was not served in time ran into."""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            began = self._site.clock.now()
            visit = await self._site.shop.visit()
            good = visit.ok and visit.ms <= SLOW_MS
            self.served_since = (self.served_since or began) if good else None
            self.visits += 1
            self.bad += [] if good else [visit.text]
            await self._site.clock.sleep(VISIT_GAP_S)

    def begin(self) -> None:
        """From here on it is asked since when users are served; what went before does not count for that."""
        self.served_since = None

    def demand_calm(self) -> None:
        """Raises ChaosError when a user suffered: whether nothing was wrong can then no longer be examined."""
        if self.bad:
            raise ChaosError(
                "The drill is void: users suffered although nothing was broken.",
                expected="every visit from outside served in time, before, meanwhile and after",
                found=f"{len(self.bad)} of {self.visits} visits were not; the first: {self.bad[0]}",
                hint="run it again when the machine has less to do",
            )


@asynccontextmanager
async def watched(site: Site) -> AsyncIterator[OutsideWatch]:
    """A watch that looks as long as the block runs."""
    watch = OutsideWatch(site)
    watching = asyncio.ensure_future(watch.run())
    try:
        yield watch
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
