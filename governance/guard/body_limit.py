"""Bodies are measured before anybody parses them: size, nesting, and numbers that are no JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from domain.errors import GovernanceError
from governance.guard.problems import problem_of

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 40


class BodyLimit:
    """ASGI middleware that answers 422 with a problem document for what no honest caller sends."""

    def __init__(self, app: Any, tell: Callable[[str, str, str], None]) -> None:
        """`tell` hears authorization header, request and problem of everything that is refused."""
        self.app = app
        self.tell = tell

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD"}:
            await self.app(scope, receive, send)
            return
        body = await _read(receive)
        problem = body_problem(body)
        if problem:
            headers = dict(scope["headers"])
            authorization = headers.get(b"authorization", b"").decode("latin-1")
            self.tell(authorization, f"{scope['method']} {scope['path']}", problem)
            await _refuse(send, problem)
            return
        sent = False

        async def replay() -> Any:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, replay, send)


async def _read(receive: Any) -> bytes:
    body = b""
    more = True
    while more and len(body) <= MAX_BYTES:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def body_problem(body: bytes) -> str:
    """What is wrong with it, or empty. Malformed JSON is left to the parser, which says where."""
    if len(body) > MAX_BYTES:
        return f"more than {MAX_BYTES} bytes"
    if _depth(body) > MAX_DEPTH:
        return f"nested deeper than {MAX_DEPTH} levels"
    try:
        json.loads(body or b"null", parse_constant=_no_constant)
    except _NotJsonError as error:
        return str(error)
    except (ValueError, RecursionError):
        return ""
    return ""


class _NotJsonError(Exception):
    pass


def _no_constant(name: str) -> Any:
    raise _NotJsonError(f"{name}, which is no JSON number")


def _depth(body: bytes) -> int:
    """Deepest nesting of brackets outside strings."""
    depth = deepest = 0
    in_string = escaped = False
    for byte in body:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


async def _refuse(send: Any, found: str) -> None:
    error = GovernanceError(
        "the body is not acceptable",
        expected=f"JSON of at most {MAX_BYTES} bytes and {MAX_DEPTH} levels",
        found=found,
        code="request.body",
    )
    problem = problem_of(error)
    body = problem.model_dump_json().encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
