"""A Redis-protocol server over redis-py: is it there, how full is it, and dropping cached keys."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.errors import ToolUnavailableError
from domain.redaction import redact

TIMEOUT_S = 2.0
_BATCH = 500


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Redis]:
    """A client for one short visit. Raises ToolUnavailableError when the server does not answer or refuses."""
    client = Redis.from_url(
        url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, single_connection_client=False, retry=None
    )
    try:
        yield client
    except (RedisError, OSError, TimeoutError, ValueError) as error:
        raise ToolUnavailableError(
            "the cache server does not answer",
            expected="a Redis-protocol server",
            found=redact(str(error).splitlines()[0] if str(error) else type(error).__name__)[:200],
            hint="check that it runs",
        ) from error
    finally:
        await client.aclose()


async def health(url: str) -> dict[str, Any]:
    """{ping_ms, memory_bytes, max_memory_bytes, evictions, keys}."""
    async with connected(url) as client:
        await client.ping()  # connects
        started = time.monotonic()
        await client.ping()
        ping_ms = round((time.monotonic() - started) * 1000, 2)
        info: dict[str, Any] = await client.info()
        keys = await client.dbsize()
    return {
        "ping_ms": ping_ms,
        "memory_bytes": info.get("used_memory"),
        "max_memory_bytes": info.get("maxmemory"),
        "evictions": info.get("evicted_keys"),
        "keys": keys,
    }


async def size(url: str, prefixes: Sequence[str] = ()) -> int:
    """How many keys there are, under these prefixes when given."""
    async with connected(url) as client:
        if not prefixes:
            return int(await client.dbsize())
        return sum([1 async for _ in _keys(client, prefixes)])


async def clear(url: str, prefixes: Sequence[str] = ()) -> int:
    """Drop the keys under the prefixes, or the whole database when none is given; returns how many went."""
    async with connected(url) as client:
        if not prefixes:
            count = int(await client.dbsize())
            await client.flushdb()
            return count
        batch: list[bytes] = []
        gone = 0
        async for key in _keys(client, prefixes):
            batch.append(key)
            if len(batch) >= _BATCH:
                gone += int(await client.unlink(*batch))
                batch = []
        return gone + (int(await client.unlink(*batch)) if batch else 0)


async def _keys(client: Redis, prefixes: Sequence[str]) -> AsyncIterator[bytes]:
    seen: set[bytes] = set()
    for prefix in prefixes:
        async for key in client.scan_iter(match=_literal(prefix) + "*", count=_BATCH):
            if key not in seen:
                seen.add(key)
                yield key


def _literal(prefix: str) -> str:
    """The prefix with the glob characters of MATCH taken literally."""
    return "".join(f"\\{c}" if c in "*?[]\\^" else c for c in prefix)
