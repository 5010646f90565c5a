"""`python -m stack.shop.loadgen`: steady visitors. Mostly they browse, some order, some look their order up."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path

from stack.shop.lines import log_line
from stack.shop.traffic import GROUP_HEADER, GROUPS
from stack.wire import fetch

SERVICE = "loadgen"
IN_FLIGHT = 40
"""Visitors who wait at once; beyond that new ones do not come."""
TIMEOUT_S = 6.0
REPORT_S = 15.0


class Visitors:
    """Open-loop load at a rate that a file says; SIGHUP reads it again."""

    def __init__(self, base: str, rate_file: Path) -> None:
        self._base = base
        self._rate_file = rate_file
        self._orders: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self.outcomes: Counter[str] = Counter()

    def reload(self) -> None:
        """Take up a changed rate now."""
        self._changed.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Visit until told to stop."""
        rng = random.Random()
        while not stop.is_set():
            rate = self._rate()
            pause = rng.expovariate(rate) if rate else 3600.0
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), min(pause, 10.0) if rate else pause)
            if self._changed.is_set():
                self._changed.clear()
                continue
            if rate and len(self._tasks) < IN_FLIGHT:
                self._start(rng)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _rate(self) -> float:
        try:
            return max(0.0, float(json.loads(self._rate_file.read_text())["rps"]))
        except (OSError, ValueError, KeyError, TypeError):
            return 0.0

    def _start(self, rng: random.Random) -> None:
        task = asyncio.create_task(self._visit(rng))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _visit(self, rng: random.Random) -> None:
        draw = rng.random()
        try:
            if draw < 0.18:
                status = await self._order(rng)
            elif draw < 0.24 and self._orders:
                status = await self._get(f"/api/orders/{rng.choice(self._orders)}", rng)
            elif draw < 0.30:
                status = await self._get("/", rng)
            else:
                status = await self._get("/api/catalogue", rng)
        except (OSError, TimeoutError, ValueError) as error:
            self.outcomes[type(error).__name__] += 1
            return
        self.outcomes[f"{status // 100}xx"] += 1

    async def _get(self, path: str, rng: random.Random) -> int:
        return (await fetch("GET", self._base + path, headers=_group(rng), timeout_s=TIMEOUT_S)).status

    async def _order(self, rng: random.Random) -> int:
        items = [{"product_id": rng.randint(1, 12), "quantity": rng.randint(1, 3)} for _ in range(rng.randint(1, 3))]
        body = {"customer": f"visitor-{rng.randint(1, 500)}", "items": items}
        url = f"{self._base}/api/orders"
        answer = await fetch("POST", url, body=body, headers=_group(rng), timeout_s=TIMEOUT_S)
        if answer.status == 201:
            self._orders = [*self._orders[-50:], json.loads(answer.body)["id"]]
        return answer.status


def _group(rng: random.Random) -> dict[str, str]:
    """Who visits: mostly guests, some members, few businesses."""
    return {GROUP_HEADER: rng.choices(GROUPS, weights=(60, 30, 10))[0]}


async def _report(visitors: Visitors) -> None:
    while True:
        await asyncio.sleep(REPORT_S)
        if visitors.outcomes:
            log_line(SERVICE, "info", "visits", **dict(visitors.outcomes))
            visitors.outcomes.clear()


async def run(base: str, rate_file: Path) -> None:
    """Until SIGTERM."""
    visitors = Visitors(base, rate_file)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def leave() -> None:
        stop.set()
        visitors.reload()

    loop.add_signal_handler(signal.SIGTERM, leave)
    loop.add_signal_handler(signal.SIGINT, leave)
    loop.add_signal_handler(signal.SIGHUP, visitors.reload)
    reporting = asyncio.create_task(_report(visitors))
    await visitors.run(stop)
    reporting.cancel()
    await asyncio.gather(reporting, return_exceptions=True)


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(prog="stack.shop.loadgen")
    parser.add_argument("--base", required=True)
    parser.add_argument("--rate-file", type=Path, required=True)
    found = parser.parse_args()
    asyncio.run(run(found.base, found.rate_file))


if __name__ == "__main__":
    main()
