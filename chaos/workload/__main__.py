"""`python -m chaos.workload NAME`: reads its orders as one JSON document from standard input and keeps at it.

Without orders (its parent died before giving any) it ends at once and has done nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys

from chaos.workload.exports import export_slowly
from chaos.workload.lock import hold_lock
from chaos.workload.neighbour import spend_quota
from chaos.workload.orders import ExportOrders, LockOrders, NeighbourOrders


async def _work(name: str, orders: str) -> None:
    match name:
        case "exports":
            await export_slowly(ExportOrders.model_validate_json(orders))
        case "lock":
            await hold_lock(LockOrders.model_validate_json(orders))
        case "neighbour":
            await spend_quota(NeighbourOrders.model_validate_json(orders))
        case _:
            raise SystemExit(f"unknown workload {name!r}; expected exports, lock or neighbour")


async def _main(name: str, orders: str) -> None:
    task = asyncio.ensure_future(_work(name, orders))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def main() -> None:
    """Read the orders, then work until told to stop or the time is up."""
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m chaos.workload exports|lock|neighbour < orders.json")
    orders = sys.stdin.read()
    if orders.strip():
        asyncio.run(_main(sys.argv[1], orders))


if __name__ == "__main__":
    main()
