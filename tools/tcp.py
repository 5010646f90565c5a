"""TCP from outside: how long connecting takes, and one harmless question and answer."""

from __future__ import annotations

import asyncio
import struct
import time
from contextlib import suppress
from dataclasses import dataclass

_QUESTIONS = {
    # PostgreSQL's SSLRequest: answered by one byte before any login.
    "postgres": struct.pack("!ii", 8, 80877103),
    "redis": b"PING\r\n",
    "http": b"GET /healthz HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """Milliseconds; None when that part was not reached. `error` in a few words."""

    connect_ms: float | None = None
    roundtrip_ms: float | None = None
    error: str = ""


def question(protocol: str) -> bytes:
    """What is asked in that protocol (postgres, redis, http); empty for unknown ones."""
    return _QUESTIONS.get(protocol, b"")


async def connect(host: str, port: int, *, ask: bytes = b"", timeout_s: float = 1.8) -> Trip:
    """Connect and, when there is a question, wait for the first byte of the answer."""
    started = time.monotonic()
    connected: float | None = None
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(host, port)
            connected = _ms(started)
            if not ask:
                return Trip(connect_ms=connected)
            asked = time.monotonic()
            writer.write(ask)
            await writer.drain()
            if not await reader.read(1):
                return Trip(connect_ms=connected, error="connection closed without an answer")
            return Trip(connect_ms=connected, roundtrip_ms=_ms(asked))
    except TimeoutError:
        return Trip(
            connect_ms=connected, error="no answer in time" if connected is not None else "connecting timed out"
        )
    except OSError as error:
        refused = isinstance(error, ConnectionRefusedError)
        return Trip(connect_ms=connected, error="connection refused" if refused else "connection reset or unreachable")
    finally:
        if writer is not None:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


def _ms(since: float) -> float:
    return round((time.monotonic() - since) * 1000, 2)
