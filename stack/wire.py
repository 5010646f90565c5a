"""A very small HTTP/1.1 server and client on asyncio streams, for processes that must stay lean.

One request per connection, bodies with Content-Length only, JSON in and out. Used by the proxies' admin ports, the
control endpoint, the worker and the load generator; what faces users runs on uvicorn.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from stack.problem import ProblemError, invalid

MAX_BODY = 256 * 1024
READ_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. Header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; empty means {}. Raises ProblemError."""
        if not self.body.strip():
            return {}
        try:
            found = json.loads(self.body)
        except ValueError as error:
            raise ProblemError(
                400, "input.not_json", "the body is not JSON", expected="a JSON object", found=str(error)
            ) from error
        if not isinstance(found, dict):
            raise invalid("the body must be a JSON object", expected="an object", found=found)
        return found

    @property
    def bearer(self) -> str:
        """The bearer token, or an empty string."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One answer."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Awaitable[Response]]


def answer(value: object, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(status=status, body=json.dumps(value, separators=(",", ":"), default=str).encode())


def refusal(error: ProblemError) -> Response:
    """A problem document."""
    body = json.dumps(error.document()).encode()
    return Response(status=error.status, body=body, content_type="application/problem+json")


def same(token: str, expected: str) -> bool:
    """Constant-time comparison; an empty expectation never matches."""
    return bool(expected) and hmac.compare_digest(token.encode(), expected.encode())


def require(request: Request, *tokens: str) -> None:
    """Raises ProblemError 401 unless the bearer token is one of these."""
    if not any(same(request.bearer, token) for token in tokens):
        raise ProblemError(
            401, "auth.required", "this needs a bearer token", expected="Authorization: Bearer <token of stack.json>"
        )


async def serve(handler: Handler, *, port: int = 0, sock: socket.socket | None = None) -> asyncio.Server:
    """Start serving on loopback. ProblemErrors become problem documents; other errors a 500 that says so."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            await _one(handler, reader, writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    if sock is not None:
        return await asyncio.start_server(connected, sock=sock)
    return await asyncio.start_server(connected, "127.0.0.1", port)


async def _one(handler: Handler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        request = await asyncio.wait_for(_read(reader), READ_TIMEOUT_S)
    except ProblemError as error:
        response = refusal(error)
    except (asyncio.LimitOverrunError, ValueError):
        response = refusal(ProblemError(400, "http.malformed", "not an HTTP/1.1 request"))
    else:
        response = await _handled(handler, request)
    head = f"HTTP/1.1 {response.status} -\r\nContent-Type: {response.content_type}\r\n"
    head += "".join(f"{key}: {value}\r\n" for key, value in response.headers.items())
    head += f"Content-Length: {len(response.body)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode("latin-1") + response.body)
    await writer.drain()


async def _handled(handler: Handler, request: Request) -> Response:
    try:
        return await handler(request)
    except ProblemError as error:
        return refusal(error)
    except Exception as error:
        # The last line of defence of a server: say what happened instead of dropping the connection.
        return refusal(ProblemError(500, "internal", f"{type(error).__name__}: {error}"))


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *rest = head.rstrip("\r\n").split("\r\n")
    method, target, _ = line.split(" ", 2)
    headers = {k.strip().lower(): v.strip() for k, _, v in (row.partition(":") for row in rest)}
    length = int(headers.get("content-length", "0") or "0")
    if length < 0 or length > MAX_BODY:
        raise ProblemError(413, "http.too_large", "the body is too large", expected=f"at most {MAX_BODY} bytes")
    body = await reader.readexactly(length) if length else b""
    parts = urlsplit(target)
    return Request(method=method, path=parts.path, query=dict(parse_qsl(parts.query)), headers=headers, body=body)


async def fetch(
    method: str,
    url: str,
    *,
    body: object = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 5.0,
) -> Response:
    """One request over a fresh connection. Raises OSError or TimeoutError; ValueError for an answer that is not HTTP."""
    return await asyncio.wait_for(_fetch(method, url, body, headers or {}), timeout_s)


async def _fetch(method: str, url: str, body: object, headers: Mapping[str, str]) -> Response:
    parts = urlsplit(url)
    raw = b"" if body is None else json.dumps(body).encode()
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    head = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close", f"Content-Length: {len(raw)}"]
    if raw:
        head.append("Content-Type: application/json")
    head += [f"{key}: {value}" for key, value in headers.items()]
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write("\r\n".join([*head, "", ""]).encode("latin-1") + raw)
        await writer.drain()
        return _parse(await reader.read(-1))
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _parse(raw: bytes) -> Response:
    head, separator, body = raw.partition(b"\r\n\r\n")
    if not separator:
        raise ConnectionResetError("the connection ended before an answer came")
    line, *rest = head.decode("latin-1").split("\r\n")
    headers = {k.strip().lower(): v.strip() for k, _, v in (row.partition(":") for row in rest)}
    if "content-length" in headers and len(body) < int(headers["content-length"]):
        raise ConnectionResetError("the connection ended in the middle of an answer")
    return Response(
        status=int(line.split(" ")[1]), body=body, content_type=headers.get("content-type", ""), headers=headers
    )
