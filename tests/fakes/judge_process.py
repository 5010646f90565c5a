"""A judge of a rollout in a process of its own that is killed in the middle of remembering a look: `python FILE FOLDER`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from contracts.enforcement.enforcer import Enforcer
from contracts.enforcement.files import RolloutFiles
from contracts.enforcement.opening import opened
from contracts.enforcement.rollout import Rollout
from tests.fakes.rollouts import Site

TICK_S, KILLED_AT_S = 5.0, 40.0


class Mortal(RolloutFiles):
    """Writes half of a state, and is no more."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._place = folder

    def save(self, rollout: Rollout) -> None:
        if rollout.clock < KILLED_AT_S:
            super().save(rollout)
            return
        (self._place / f".{rollout.id}.json.tmp").write_text(rollout.model_dump_json()[:200])
        os.kill(os.getpid(), signal.SIGKILL)


async def judged(folder: Path) -> None:
    """Until it is killed."""
    site, files = Site(folder), Mortal(folder)
    found = await opened(site.order(), site.yard(), "maria", "v1")
    files.keep(found.rollout.id, "before", found.before, [], 0.0)
    files.save(found.rollout)
    enforcer = Enforcer(found.rollout, site.yard(), files)
    while True:
        await enforcer.tick()
        site.clock.advance(TICK_S)


if __name__ == "__main__":
    asyncio.run(judged(Path(sys.argv[1])))
