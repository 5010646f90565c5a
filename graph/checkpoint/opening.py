"""The checkpointer of a home, opened and closed, and the leases that come with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from graph.checkpoint.lease import Lease, Leases, ProcessLeases
from graph.checkpoint.redis import RedisSaver
from graph.checkpoint.sqlite import open_sqlite_saver
from graph.settings import Settings


class LateLeases:
    """Leases that exist only once the checkpointer is open; the graph is described before."""

    def __init__(self) -> None:
        self.inner: Leases = ProcessLeases()

    async def acquire(self, thread: str, holder: str, ttl_s: float) -> Lease | None:
        """See Leases."""
        return await self.inner.acquire(thread, holder, ttl_s)

    async def renew(self, lease: Lease, ttl_s: float) -> None:
        """See Leases."""
        await self.inner.renew(lease, ttl_s)

    async def check(self, thread: str) -> None:
        """See Leases."""
        await self.inner.check(thread)

    async def release(self, lease: Lease) -> None:
        """See Leases."""
        await self.inner.release(lease)


@asynccontextmanager
async def open_saver(settings: Settings) -> AsyncIterator[Any]:
    """The checkpointer of a home: Redis where there is one, else SQLite in the home; closed afterwards."""
    url = redis_url(settings)
    if not url:
        async with open_sqlite_saver(settings.home / "checkpoints.db") as sqlite:
            yield sqlite
        return
    redis = RedisSaver(url)
    try:
        yield redis
    finally:
        await redis.aclose()


def redis_url(settings: Settings) -> str:
    """REDIS_URL, else the embedded server's socket when it is there, else empty: SQLite."""
    if settings.redis_url is not None:
        return settings.redis_url.get_secret_value()
    socket = settings.home / "redis" / "redis.sock"
    return f"unix://{socket.resolve()}" if socket.exists() else ""
