"""An action server on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from governance.guard.server import build_action_server
from tests.fakes.guard import Scene


@asynccontextmanager
async def served(scene: Scene) -> AsyncIterator[str]:
    """Its URL; stopped afterwards."""
    config = uvicorn.Config(build_action_server(scene.guard), host="127.0.0.1", port=0, log_level="error")
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    running = asyncio.ensure_future(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await running
