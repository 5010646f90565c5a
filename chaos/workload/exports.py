"""A batch client that downloads exports far too slowly, several at once, and reconnects when it is cut."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time

from chaos.workload.orders import ExportOrders, say

RECEIVE_BUFFER = 16 * 1024
"""Bytes the kernel may hold for us; small, so that our slowness reaches the server."""


class _Tally:
    """How many downloads are held now and how many there have been."""

    def __init__(self) -> None:
        self.held = 0
        self.total = 0


async def export_slowly(orders: ExportOrders) -> None:
    """Keep `orders.clients` downloads open until the time is up."""
    tally = _Tally()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_client(orders, tally)) for _ in range(orders.clients)]
        while time.time() < orders.until:
            say(orders.state_file, active=tally.held, total=tally.total)
            await asyncio.sleep(0.5)
        for task in tasks:
            task.cancel()


async def _client(orders: ExportOrders, tally: _Tally) -> None:
    while True:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            await _download(orders, tally)
        await asyncio.sleep(0.2)


async def _download(orders: ExportOrders, tally: _Tally) -> None:
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.setblocking(False)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    loop = asyncio.get_running_loop()
    with connection:
        await asyncio.wait_for(loop.sock_connect(connection, (orders.host, orders.port)), 5)
        request = f"GET {orders.path} HTTP/1.1\r\nHost: {orders.host}:{orders.port}\r\nAccept: */*\r\n\r\n"
        await loop.sock_sendall(connection, request.encode())
        head = await asyncio.wait_for(loop.sock_recv(connection, 256), 20)
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            return
        tally.held += 1
        tally.total += 1
        try:
            await _trickle(connection, orders.bytes_per_s)
        finally:
            tally.held -= 1


async def _trickle(connection: socket.socket, bytes_per_s: int) -> None:
    loop = asyncio.get_running_loop()
    while portion := await loop.sock_recv(connection, RECEIVE_BUFFER):
        await asyncio.sleep(len(portion) / bytes_per_s)
