"""Running an ASGI application on loopback with uvicorn, the same way for every service."""

from __future__ import annotations

import asyncio
import signal
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import uvicorn

from stack.home import listen

SEND_BUFFER = 64 * 1024
"""Small on purpose: who reads slowly is felt by who writes."""


class Doors:
    """The open connections of a server, found by their peer's address."""

    def __init__(self) -> None:
        self.server: uvicorn.Server | None = None

    def abrupt(self, client: object, on: bool) -> None:
        """Whether closing this connection is to look like the failure it is: a reset, and not the end of the data."""
        for found in self.server.server_state.connections if self.server else ():
            transport = getattr(found, "transport", None)
            sock = transport.get_extra_info("socket") if transport else None
            if sock is not None and getattr(found, "client", None) == client:
                with suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", int(on), 0))


def run(
    app: Any, port: int, *, reload: Callable[[], Awaitable[None]] | None = None, doors: Doors | None = None
) -> None:
    """Serve until SIGTERM; SIGHUP calls `reload`. Raises SystemExit when the port is taken."""
    sock = listen(port)
    if sock is None:
        raise SystemExit(f"port {port} is taken")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        loop="asyncio",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=15,
    )
    server = uvicorn.Server(config)
    if doors is not None:
        doors.server = server
    asyncio.run(_serve(server, sock, reload))


async def _serve(server: uvicorn.Server, sock: socket.socket, reload: Callable[[], Awaitable[None]] | None) -> None:
    running: set[asyncio.Task[None]] = set()

    async def reloaded() -> None:
        if reload:
            await reload()

    def hangup() -> None:
        task = asyncio.ensure_future(reloaded())
        running.add(task)
        task.add_done_callback(running.discard)

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hangup)
    await server.serve(sockets=[sock])
