"""The collector's HTTP: scrapes, outside checks and alert deliveries over few kept connections. Never raises."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Self

import httpx

from domain.inventory import HttpProbe, TcpProbe

MAX_BYTES = 8 * 1024 * 1024
"""An answer is not read beyond this."""


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


class HttpPoller:
    """A client for one collector; use as an async context manager."""

    def __init__(self) -> None:
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=32, keepalive_expiry=15)
        self._client = httpx.AsyncClient(limits=limits, trust_env=False, follow_redirects=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def get(self, url: str, *, timeout_s: float, token: str = "", accept: str = "") -> Polled:
        """A GET, within `timeout_s` as a whole."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        if accept:
            headers["accept"] = accept
        return await self._request("GET", url, timeout_s, headers)

    async def post(self, url: str, body: bytes, *, timeout_s: float, token: str, delivery: str) -> Polled:
        """A JSON delivery. `delivery` stays the same when it is tried again, so that it can be recognised."""
        headers = {"content-type": "application/json", "idempotency-key": delivery}
        if token:
            headers["authorization"] = f"Bearer {token}"
        return await self._request("POST", url, timeout_s, headers, content=body)

    async def check(self, probe: HttpProbe) -> Checked:
        """One outside HTTP check with the probe's own tolerances."""
        found = await self._request(
            probe.method, probe.url, min(10.0, probe.max_ms / 1000 + 0.05), {}, json=probe.json_body
        )
        if found.status == 0:
            return Checked(ok=False, ms=found.ms, error=found.error)
        if found.status != probe.expect_status:
            return Checked(ok=False, ms=found.ms, error=f"status {found.status}, expected {probe.expect_status}")
        if probe.expect_text and probe.expect_text.encode() not in found.body:
            return Checked(ok=False, ms=found.ms, error="the expected text is not in the answer")
        slow = found.ms > probe.max_ms
        return Checked(ok=not slow, ms=found.ms, error=f"slower than {probe.max_ms:g} ms" if slow else "")

    async def _request(
        self,
        method: str,
        url: str,
        timeout_s: float,
        headers: dict[str, str],
        *,
        content: bytes | None = None,
        json: object = None,
    ) -> Polled:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(timeout_s):
                request = self._client.build_request(
                    method, url, headers=headers, content=content, json=json, timeout=timeout_s
                )
                response = await self._client.send(request, stream=True)
                try:
                    body = await _bounded(response)
                finally:
                    await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError, ValueError, RuntimeError) as error:
            words = "no answer in time" if isinstance(error, TimeoutError | httpx.TimeoutException) else str(error)
            return Polled(status=0, ms=_ms(started), error=(words or type(error).__name__)[:200])
        return Polled(
            status=response.status_code,
            body=body,
            ms=_ms(started),
            retry_after=_seconds(response.headers.get("retry-after")),
        )


async def check_tcp(probe: TcpProbe) -> Checked:
    """Whether something accepts a connection in time."""
    started = time.perf_counter()
    try:
        async with asyncio.timeout(probe.max_ms / 1000):
            _, writer = await asyncio.open_connection(probe.host, probe.port)
    except (OSError, TimeoutError) as error:
        words = "no answer in time" if isinstance(error, TimeoutError) else str(error)
        return Checked(ok=False, ms=_ms(started), error=words[:200])
    writer.close()
    return Checked(ok=True, ms=_ms(started))


async def _bounded(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) >= MAX_BYTES:
            break
    return bytes(body)


def _ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)


def _seconds(text: str | None) -> float | None:
    try:
        return max(0.0, float(text)) if text else None
    except ValueError:
        return None
