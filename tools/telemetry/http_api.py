"""One observability server over HTTP: who we are there, how long it may take, how much it may say, when it is left alone.

Prometheus, Loki, Tempo and Jaeger are all asked through this, so that time-outs, authentication, TLS, tenants and the
circuit breaker are the same everywhere.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from domain.clock import SystemClock
from domain.errors import AuthError, CircuitOpenError, EvidenceError, FirebreakError
from domain.inventory import Connector, Service
from domain.redaction import redact
from governance.health import Breaker
from tools.http import trust

T = TypeVar("T")
Client = httpx.AsyncClient
"""An open connection for several questions."""
TIMEOUT_S = 10.0
"""Seconds that all services together may take; who has not answered by then is a gap."""
PATIENCE = 0.8
"""Share of that time that one answer may take: it fails before the whole reading is given up, so that the breaker counts it."""
AT_ONCE = 8
"""Connections to one server."""
MAX_BYTES = 64 * 1024 * 1024
"""No answer is read beyond this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where a server is and how it knows us. `headers` may carry a tenant (X-Scope-OrgID)."""

    url: str
    token: str = ""
    basic: str = ""
    """`user:password`."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    ca_file: str = ""
    hint: str = "check the connector in firebreak.yaml"
    """What to check when the server says nothing."""

    @classmethod
    def of(cls, connector: Connector, env: Mapping[str, str], root: Path | None = None) -> Access:
        """A connector's access; secrets come from the variables that it names, certificates lie relative to `root`."""
        return cls(
            url=connector.url,
            token=env.get(connector.token_env, ""),
            basic=env.get(connector.basic_env, ""),
            headers={"X-Scope-OrgID": connector.tenant} if connector.tenant else {},
            ca_file=str((root or Path()) / connector.ca_file) if connector.ca_file else "",
            hint=f"check {connector.kind.upper()}_URL or the {connector.kind} connector in firebreak.yaml",
        )


class HttpApi:
    """JSON over HTTP from one server, called `name` in errors."""

    def __init__(
        self,
        name: str,
        access: Access,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        timeout_s: float = TIMEOUT_S,
        breaker: Breaker | None = None,
    ) -> None:
        self.name, self.timeout_s = name, timeout_s
        self._access, self._transport = access, transport
        self._url = access.url.rstrip("/")
        self._breaker = breaker or Breaker(name.lower(), SystemClock())

    @property
    def url(self) -> str:
        """Where it is."""
        return self._url

    def client(self) -> httpx.AsyncClient:
        """A connection for several questions; close it. Raises EvidenceError when the certificates cannot be read."""
        access = self._access
        user, _, password = access.basic.partition(":")
        return httpx.AsyncClient(
            headers={**access.headers, **({"authorization": f"Bearer {access.token}"} if access.token else {})},
            auth=httpx.BasicAuth(user, password) if access.basic else None,
            timeout=httpx.Timeout(PATIENCE * self.timeout_s, pool=self.timeout_s),
            limits=httpx.Limits(max_connections=AT_ONCE),
            transport=self._transport,
            verify=self._trust(),
            trust_env=False,
            follow_redirects=False,
        )

    async def get(self, client: httpx.AsyncClient, path: str, query: Mapping[str, str]) -> tuple[int, Any]:
        """Status and JSON of one answer. Raises EvidenceError, or AuthError when the server refuses us."""
        status, body = await self._fetch(client, path, query)
        if status in {401, 403}:
            raise AuthError(f"{self.name} refuses our token", expected="a token that may read", found=str(status))
        try:
            return status, json.loads(body)
        except (ValueError, RecursionError) as error:
            said = redact(body[:200].decode("utf-8", errors="replace"))
            raise EvidenceError(
                f"{self.name} answers something else",
                expected="the JSON of its HTTP API",
                found=f"status {status}: {said}",
                hint=self._access.hint,
            ) from error

    async def wanted(self, client: httpx.AsyncClient, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        """The JSON object of an answer that must be a success. Raises as `get`."""
        status, body = await self.get(client, path, query)
        if status >= 400 or not isinstance(body, dict):
            found = f"status {status}: {redact(json.dumps(body))[:200]}"
            raise EvidenceError(f"{self.name} cannot answer", expected="a JSON object", found=found)
        return body

    def silent(self, found: str) -> EvidenceError:
        """The error for a server that says nothing."""
        return EvidenceError(
            f"{self.name} does not answer",
            expected=f"its HTTP API at {self._url.partition('://')[2] or self._url}",
            found=found,
            hint=self._access.hint,
        )

    async def _fetch(self, client: httpx.AsyncClient, path: str, query: Mapping[str, str]) -> tuple[int, bytes]:
        try:
            async with (
                self._breaker.watching(httpx.HTTPError),
                client.stream("GET", self._url + path, params=dict(query)) as response,
            ):
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > MAX_BYTES:
                        raise EvidenceError(
                            f"{self.name} says too much", expected=f"at most {MAX_BYTES} bytes", found="more"
                        )
                return response.status_code, bytes(body)
        except CircuitOpenError as error:
            raise self.silent(error.message) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self.silent(str(error) or type(error).__name__) from error

    def _trust(self) -> ssl.SSLContext | bool:
        if not self._url.startswith("https"):
            return False  # nothing to verify, and no redirect is followed
        if not self._access.ca_file:
            return trust()
        try:
            return ssl.create_default_context(cafile=self._access.ca_file)
        except OSError as error:
            raise EvidenceError(
                f"the certificates for {self.name} cannot be read",
                expected=f"a PEM file at {self._access.ca_file}",
                found=error.strerror or type(error).__name__,
            ) from error


async def side_by_side(
    ask: Callable[[Service], Awaitable[list[T]]], services: Sequence[Service], *, timeout_s: float, name: str, what: str
) -> tuple[list[T], tuple[str, ...]]:
    """Every service asked at once within one time for all: what was found, and a gap in words for each that was silent.

    `what` the rows are, for the words. Raises what was wrong when nobody could be read.
    """
    deadline = asyncio.get_running_loop().time() + timeout_s

    async def one(service: Service) -> list[T] | FirebreakError:
        try:
            async with asyncio.timeout_at(deadline):
                return await ask(service)
        except FirebreakError as error:
            return error
        except TimeoutError:
            return EvidenceError(f"{name} does not answer", expected=what, found=f"nothing within {timeout_s:g} s")

    answers = await asyncio.gather(*(one(s) for s in services))
    failed = [(s.name, a) for s, a in zip(services, answers, strict=True) if isinstance(a, FirebreakError)]
    if failed and len(failed) == len(services):
        raise failed[0][1]
    gaps = tuple(f"no {what} of {service}: {'; '.join(error.lines())}" for service, error in failed)
    return [row for answer in answers if not isinstance(answer, FirebreakError) for row in answer], gaps
