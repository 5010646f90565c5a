"""Every method at every task, several rounds, each attempt at a place of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from skills.evaluation.attempt import Method, Said, Watched
from skills.evaluation.score import Aftermath, Row, judged
from skills.evaluation.task import Arena, Mode, Place, Task
from skills.look import see_all
from skills.report import Seen

PAUSE_S = 0.5
PATIENCE_S = 30.0
"""How much longer the judge looks at what a busy machine could not tell."""


async def measure(
    arena: Arena,
    tasks: Sequence[Task],
    methods: Mapping[str, Method],
    mode: Mode,
    *,
    rounds: int = 1,
    beside: int = 1,
    tell: Callable[[Row], None] = lambda _: None,
) -> list[Row]:
    """All rows, `beside` attempts at a time. Methods take turns, so that what else the machine does meets all alike."""
    free = asyncio.Semaphore(beside)

    async def one(name: str, task: Task, round: int) -> Row:
        async with free, arena.broken(task) as place:
            row = await attempted(task, name, round, methods[name], place, mode)
        tell(row)
        return row

    wanted = [(name, task, n) for n in range(1, rounds + 1) for task in tasks for name in methods]
    return list(await asyncio.gather(*(one(*row) for row in wanted)))


async def attempted(task: Task, name: str, round: int, method: Method, place: Place, mode: Mode) -> Row:
    """One attempt within the mode's time, and what the judge sees for the seconds after it."""
    watched = Watched(place.bench.guard, place.bench.probes)
    before, began = await place.state(), time.monotonic()
    said, overtime = Said(claim="not_done", preconditions=0.0), False
    try:
        async with asyncio.timeout(mode.fault_s):
            said = await method(task, watched.over(place.bench))
    except TimeoutError:
        overtime = True
    seconds = time.monotonic() - began
    visible, hidden = await _watch(task, place, mode.watch_s)
    after = Aftermath(
        visible=visible,
        hidden=hidden,
        as_before=await place.state() == before,
        seconds=seconds,
        overtime=overtime,
    )
    return judged(task, name, round, said, watched, after)


async def _watch(task: Task, place: Place, watch_s: float) -> tuple[list[Seen], list[Seen]]:
    """Every check as it stood at its worst during these seconds; one that could not be told is looked at until it can."""
    checks = [*task.visible, *task.hidden]
    worst: list[Seen] = []
    began = time.monotonic()
    while True:
        seen = await see_all(checks, place.bench, patient=False)
        worst = [_worse(old, new) for old, new in zip(worst or seen, seen, strict=True)]
        told = all(s.holds is not None for s in worst)
        if time.monotonic() - began >= (watch_s if told else watch_s + PATIENCE_S):
            return worst[: len(task.visible)], worst[len(task.visible) :]
        await asyncio.sleep(PAUSE_S)


def _worse(old: Seen, new: Seen) -> Seen:
    return new if old.holds is None or (old.holds and new.holds is False) else old
