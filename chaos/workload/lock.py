"""A session that takes a table lock in a transaction and forgets about it."""

from __future__ import annotations

import asyncio

from chaos.postgres import LockedTable
from chaos.workload.orders import LockOrders, say


async def hold_lock(orders: LockOrders) -> None:
    """Hold the lock until the time is up or the server ends the session; it does not come back."""
    locked = await asyncio.to_thread(LockedTable.take, orders.dsn, orders.table, orders.application_name)
    try:
        while not await asyncio.to_thread(locked.lost, 0.5, orders.until):
            say(orders.state_file, active=1, total=1, text=f"backend {locked.backend}")
    finally:
        locked.close()
        say(orders.state_file, active=0, total=1, text="session over")
