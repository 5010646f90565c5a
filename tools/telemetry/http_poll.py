"""The collector's HTTP: scrapes, outside checks and alert deliveries, some twenty a second for hours. Never raises.

A small HTTP/1.1 client of its own on asyncio streams with one kept connection per target: a full client costs several
times as much, and the watcher must not load what it watches. No redirects, no proxies, no cookies.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from dataclasses import dataclass
from typing import Self
from urllib.parse import SplitResult, urlsplit

from domain.inventory import HttpProbe, TcpProbe

MAX_BYTES = 8 * 1024 * 1024
"""An answer is not read beyond this."""
_HEADER_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """What came back. `status` 0: nothing did, and `error` says why."""

    status: int
    body: bytes = b""
    ms: float = 0.0
    error: str = ""
    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One outside check."""

    ok: bool
    ms: float
    error: str = ""


_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _ProtocolError(Exception):
    """The answer is not HTTP/1."""


class HttpPoller:
    """A client for one collector; use as an async context manager."""

    def __init__(self) -> None:
        self._idle: dict[str, _Connection] = {}
        self._tls: ssl.SSLContext | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        idle, self._idle = list(self._idle.values()), {}
        for connection in idle:
            await _close(connection[1])

    async def get(self, url: str, *, timeout_s: float, token: str = "", accept: str = "") -> Polled:
        """A GET, within `timeout_s` as a whole."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if accept:
            headers["Accept"] = accept
        return await self._polled("GET", url, timeout_s, headers, b"")

    async def post(self, url: str, body: bytes, *, timeout_s: float, token: str, delivery: str) -> Polled:
        """A JSON delivery. `delivery` stays the same when it is tried again, so that it can be recognised."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": delivery}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return await self._polled("POST", url, timeout_s, headers, body)

    async def check(self, probe: HttpProbe) -> Checked:
        """One outside HTTP check with the probe's own tolerances."""
        body = b"" if probe.json_body is None else json.dumps(probe.json_body).encode()
        headers = {"Content-Type": "application/json"} if body else {}
        found = await self._polled(probe.method, probe.url, min(10.0, probe.max_ms / 1000 + 0.05), headers, body)
        if found.status == 0:
            return Checked(ok=False, ms=found.ms, error=found.error)
        if found.status != probe.expect_status:
            return Checked(ok=False, ms=found.ms, error=f"status {found.status}, expected {probe.expect_status}")
        if probe.expect_text and probe.expect_text.encode() not in found.body:
            return Checked(ok=False, ms=found.ms, error="the expected text is not in the answer")
        slow = found.ms > probe.max_ms
        return Checked(ok=not slow, ms=found.ms, error=f"slower than {probe.max_ms:g} ms" if slow else "")

    async def _polled(self, method: str, url: str, timeout_s: float, headers: dict[str, str], body: bytes) -> Polled:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(timeout_s):
                status, found, content = await self._exchange(method, urlsplit(url), headers, body)
        except (OSError, EOFError, TimeoutError, ValueError, _ProtocolError, asyncio.LimitOverrunError) as error:
            words = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
            return Polled(status=0, ms=_ms(started), error=words[:200])
        wait = found.get("retry-after", "")
        retry = float(wait) if wait.isascii() and wait.isdigit() and len(wait) < 6 else None
        return Polled(status=status, body=content, ms=_ms(started), retry_after=retry)

    async def _exchange(
        self, method: str, url: SplitResult, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        request = _request(method, url, headers, body)
        key = f"{method} {url.geturl()}"
        kept = self._idle.pop(key, None)
        if kept is not None:
            try:
                return await self._talk(key, kept, request)
            except (ConnectionError, asyncio.IncompleteReadError) as error:
                if method != "GET" and not isinstance(error, ConnectionError) and error.partial:
                    raise
        return await self._talk(key, await self._connect(url), request)

    async def _connect(self, url: SplitResult) -> _Connection:
        secure = url.scheme == "https"
        if secure and self._tls is None:
            self._tls = ssl.create_default_context()
        if url.scheme not in {"http", "https"} or not url.hostname:
            raise ValueError(f"expected an http or https URL, found {url.scheme or 'none'}")
        port = url.port or (443 if secure else 80)
        return await asyncio.open_connection(url.hostname, port, ssl=self._tls if secure else None, limit=_HEADER_LIMIT)

    async def _talk(self, key: str, connection: _Connection, request: bytes) -> tuple[int, dict[str, str], bytes]:
        reader, writer = connection
        keep = False
        try:
            writer.write(request)
            status, headers = _head(await reader.readuntil(b"\r\n\r\n"))
            while 100 <= status < 200:
                status, headers = _head(await reader.readuntil(b"\r\n\r\n"))
            body, framed = await _body(reader, status, headers)
            keep = framed and headers.get("connection", "").lower() != "close"
        finally:
            if keep:
                self._idle[key] = connection
            else:
                writer.close()
        return status, headers, body


async def check_tcp(probe: TcpProbe) -> Checked:
    """Whether something accepts a connection in time."""
    started = time.perf_counter()
    try:
        async with asyncio.timeout(probe.max_ms / 1000):
            _, writer = await asyncio.open_connection(probe.host, probe.port)
    except (OSError, TimeoutError) as error:
        words = "no answer in time" if isinstance(error, TimeoutError) else str(error)
        return Checked(ok=False, ms=_ms(started), error=words[:200])
    await _close(writer)
    return Checked(ok=True, ms=_ms(started))


def _request(method: str, url: SplitResult, headers: dict[str, str], body: bytes) -> bytes:
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    rows = [f"{method} {target} HTTP/1.1", f"Host: {url.netloc.rpartition('@')[2]}", "User-Agent: firebreak-collector"]
    rows += [f"{name}: {value}" for name, value in headers.items()]
    if body or method == "POST":
        rows.append(f"Content-Length: {len(body)}")
    if any("\r" in row or "\n" in row for row in rows):
        raise ValueError("a line break in a URL or header")
    return "\r\n".join(rows).encode("utf-8") + b"\r\n\r\n" + body


def _head(block: bytes) -> tuple[int, dict[str, str]]:
    first, *rows = block.decode("latin-1").split("\r\n")
    parts = first.split(" ", 2)
    if not parts[0].startswith("HTTP/1.") or len(parts) < 2 or not parts[1].isdigit():
        raise _ProtocolError("the answer is not HTTP/1")
    pairs = (row.partition(":") for row in rows if row)
    return int(parts[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _body(reader: asyncio.StreamReader, status: int, headers: dict[str, str]) -> tuple[bytes, bool]:
    """The body, and whether its end was told (so that the connection can be used again)."""
    if status in {204, 304}:
        return b"", True
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return await _chunks(reader), True
    if "content-length" in headers:
        length = int(headers["content-length"])
        if not 0 <= length <= MAX_BYTES:
            raise _ProtocolError(f"an answer of {length} bytes")
        return await reader.readexactly(length), True
    found = bytearray()
    while len(found) < MAX_BYTES and (piece := await reader.read(65536)):
        found += piece
    return bytes(found), False


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    found = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        if len(found) + size > MAX_BYTES:
            raise _ProtocolError("an answer without end")
        found += await reader.readexactly(size)
        await reader.readexactly(2)
    while (await reader.readuntil(b"\r\n")) != b"\r\n":
        pass
    return bytes(found)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        async with asyncio.timeout(0.2):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        return


def _ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)
