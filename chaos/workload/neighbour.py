"""A neighbour that spends the shared quota of an upstream as fast as it can."""

from __future__ import annotations

import asyncio
import time

from chaos.http import spender
from chaos.workload.orders import NeighbourOrders, say


async def spend_quota(orders: NeighbourOrders) -> None:
    """Send `orders.rps` requests per second until the time is up; refusals do not stop it."""
    answered = refused = 0
    said_at = 0.0
    async with spender(orders.headers) as post:
        while time.time() < orders.until:
            started = time.monotonic()
            status = await post(orders.url, orders.body)
            answered += status == 200
            refused += status == 429
            if time.monotonic() - said_at >= 0.5:
                say(orders.state_file, active=1, total=answered + refused, text=f"{refused} answered with 429")
                said_at = time.monotonic()
            await asyncio.sleep(max(0.0, 1 / orders.rps - (time.monotonic() - started)))
