"""HTTP: JSON requests to control endpoints and bounded reads of pages, over httpx."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import httpx

from domain.errors import AuthError, ToolError, ToolUnavailableError, ToolUnknownError
from domain.redaction import redact

MAX_BYTES = 1_000_000
"""No answer is read beyond this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an outside check saw. `status` is None when nothing answered; `error` says why, in a few words."""

    status: int | None
    text: str = ""
    ms: float
    error: str = ""


async def fetch(
    url: str, *, method: str = "GET", json_body: Any = None, timeout_s: float = 2.0, limit: int = MAX_BYTES
) -> Answer:
    """One request as a stranger makes it: no credentials, no proxies, no redirects, bounded in time and size."""
    started = time.monotonic()

    def spent() -> float:
        return round((time.monotonic() - started) * 1000, 1)

    try:
        async with (
            _client(timeout_s) as client,
            client.stream(method, url, json=json_body) as response,
        ):
            body = b""
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) >= limit:
                    break
            return Answer(status=response.status_code, text=body[:limit].decode("utf-8", "replace"), ms=spent())
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return Answer(status=None, ms=spent(), error=_words(error))


async def request_json(
    method: str, url: str, *, token: str, json_body: Any = None, timeout_s: float = 10.0
) -> dict[str, Any]:
    """A control request with a bearer token; returns the JSON object (an empty body is {}).

    Raises ToolUnavailableError when nothing listens (nothing was done), ToolUnknownError when the request went out and
    no answer came, AuthError on 401/403, ToolError with the far end's words on any other refusal.
    """
    try:
        async with _client(timeout_s) as client:
            response = await client.request(method, url, json=json_body, headers={"authorization": f"Bearer {token}"})
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise ToolUnavailableError(
            "the control endpoint does not answer",
            expected=f"something that listens at {_place(url)}",
            found=_words(error),
            hint="check that the system's supervisor runs; nothing was changed",
        ) from error
    except (httpx.HTTPError, OSError) as error:
        if method == "GET":
            raise ToolUnavailableError(
                "the control endpoint does not answer in time", expected=_place(url), found=_words(error)
            ) from error
        raise ToolUnknownError(
            "the request went out and no answer came back", expected=_place(url), found=_words(error)
        ) from error
    return _object(response, url)


def _client(timeout_s: float) -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=timeout_s, trust_env=False, follow_redirects=False, verify=trust())


@lru_cache(maxsize=1)
def trust() -> ssl.SSLContext:
    """The machine's trusted authorities; reading them takes tens of milliseconds, so it is done once."""
    return ssl.create_default_context()


def _object(response: httpx.Response, url: str) -> dict[str, Any]:
    if response.status_code in (401, 403):
        raise AuthError(
            "the control endpoint refuses our token",
            expected=f"a token that may do this at {_place(url)}",
            found=str(response.status_code),
        )
    if response.status_code >= 400:
        raise ToolError(
            f"the control endpoint refused: {redact(_detail(response))}",
            expected="2xx",
            found=str(response.status_code),
            code="tool.refused" if response.status_code < 500 else "tool.failed",
        )
    if not response.content:
        return {}
    try:
        body = response.json()
    except ValueError as error:
        raise ToolError("the control endpoint's answer is not JSON", expected="a JSON object", found="text") from error
    return body if isinstance(body, dict) else {"items": body}


def _detail(response: httpx.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        return response.text[:300]
    if not isinstance(body, dict):
        return str(body)[:300]
    words = [str(body[key]) for key in ("detail", "title", "message", "found", "hint") if body.get(key)]
    return "; ".join(words)[:600] or str(body)[:300]


def _place(url: str) -> str:
    """Scheme, host, port and path: never a query or user information."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return "(not a URL)"
    return f"{parsed.scheme}://{parsed.host}:{parsed.port or ''}{parsed.path}"


def _words(error: Exception) -> str:
    return {
        "ConnectError": "connection refused",
        "ConnectTimeout": "connecting timed out",
        "ReadTimeout": "no answer in time",
        "RemoteProtocolError": "connection cut",
        "ReadError": "connection reset",
    }.get(type(error).__name__, type(error).__name__)
