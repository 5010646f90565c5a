"""The one place that speaks HTTP: JSON in, JSON out, errors in our words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from domain.errors import AuthError, ConflictError, FirebreakError, NotFoundError, UpstreamError


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, whatever the status."""

    status: int
    text: str
    body: Any
    """Parsed JSON, or None."""
    ms: float


class Http:
    """A client with a fresh connection per request, as many strangers would come. Close it, or use it as a context."""

    def __init__(self, *, timeout_s: float = 5.0, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._client = httpx.AsyncClient(
            timeout=timeout_s,
            limits=httpx.Limits(max_keepalive_connections=0),
            trust_env=False,
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Release the client."""
        await self._client.aclose()

    async def ask(
        self,
        method: str,
        url: str,
        *,
        token: str = "",
        json: Any = None,
        params: Mapping[str, str | int] | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """One request. Raises UpstreamError when nobody answers in time; any status is an answer."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        extra: dict[str, Any] = {"timeout": timeout_s} if timeout_s is not None else {}
        try:
            reply = await self._client.request(method, url, headers=headers, json=json, params=params, **extra)
        except httpx.HTTPError as error:
            raise UpstreamError(
                f"{method} {httpx.URL(url).path} was not answered",
                expected=f"an answer from {httpx.URL(url).netloc.decode()}",
                found=f"{type(error).__name__}: {error}".rstrip(": "),
            ) from error
        return Answer(
            status=reply.status_code, text=reply.text, body=_parsed(reply), ms=reply.elapsed.total_seconds() * 1000
        )

    async def json(
        self,
        method: str,
        url: str,
        *,
        token: str = "",
        json: Any = None,
        params: Mapping[str, str | int] | None = None,
        timeout_s: float | None = None,
    ) -> Any:
        """One request that must succeed; the parsed body. Raises what the status means."""
        answer = await self.ask(method, url, token=token, json=json, params=params, timeout_s=timeout_s)
        if answer.status >= 400:
            raise refused(method, url, answer)
        return answer.body


def refused(method: str, url: str, answer: Answer) -> FirebreakError:
    """The error that a refusal means; problem documents keep their words."""
    problem = answer.body if isinstance(answer.body, dict) else {}
    kind: type[FirebreakError] = _KINDS.get(answer.status, UpstreamError if answer.status >= 500 else FirebreakError)
    return kind(
        str(
            problem.get("detail") or problem.get("title") or f"{method} {httpx.URL(url).path} answered {answer.status}"
        ),
        expected=str(problem.get("expected") or ""),
        found=str(problem.get("found") or answer.text[:200]),
        hint=str(problem.get("hint") or ""),
        code=str(problem.get("code") or ""),
    )


_KINDS: dict[int, type[FirebreakError]] = {401: AuthError, 403: AuthError, 404: NotFoundError, 409: ConflictError}


def _parsed(reply: httpx.Response) -> Any:
    try:
        return reply.json()
    except ValueError:
        return None


@asynccontextmanager
async def spender(headers: Mapping[str, str]) -> AsyncIterator[Callable[[str, Any], Awaitable[int]]]:
    """A function that posts JSON and answers the status, 0 when nobody answered; keeps its connection."""
    async with httpx.AsyncClient(timeout=3.0, trust_env=False, headers=dict(headers)) as client:

        async def post(url: str, body: Any) -> int:
            try:
                return (await client.post(url, json=body)).status_code
            except httpx.HTTPError:
                return 0

        yield post
