"""The edges of the action server: bodies, problem documents, and a client that knows when to ask again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import stamina

from domain.errors import (
    AuthError,
    ConfigError,
    ConflictError,
    FirebreakError,
    GovernanceError,
    LedgerError,
    NotFoundError,
    UpstreamError,
)
from governance.guard.body_limit import MAX_BYTES, MAX_DEPTH, BodyLimit, body_problem
from governance.guard.client import HttpGuard
from governance.guard.problems import CODES, error_of, problem_of
from tests.fakes.guard import RESTART, actor, plan


@pytest.fixture(autouse=True)
def without_waiting() -> Iterator[None]:
    stamina.set_testing(True, attempts=3)
    yield
    stamina.set_testing(False)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (AuthError("who?"), 401),
        (AuthError("no", code="auth.forbidden"), 403),
        (NotFoundError("where?"), 404),
        (ConflictError("taken"), 409),
        (GovernanceError("odd"), 422),
        (ConfigError("odd"), 422),
        (LedgerError("broken"), 503),
        (UpstreamError("away"), 503),
        (FirebreakError("?"), 500),
    ],
)
def test_every_error_has_its_status(error: FirebreakError, status: int) -> None:
    """One table, complete, and the facts survive the way there and back."""
    problem = problem_of(error)
    assert problem.status == status
    back = error_of(status, problem.model_dump())
    assert (back.message, back.code) == (error.message, error.code)
    assert CODES[-1][0] is FirebreakError


@pytest.mark.parametrize("body", [None, [], "text", {"detail": "half a document"}])
def test_an_answer_that_is_no_problem_document_is_an_upstream_error(body: object) -> None:
    """A proxy's error page is not mistaken for ours."""
    assert isinstance(error_of(404, body), UpstreamError)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", ""),
        (b'{"a": [1, "}]{[\\"", {}]}', ""),
        (b"{broken", ""),
        (b"[" * (MAX_DEPTH + 1), "nested deeper"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b" " * (MAX_BYTES + 1), "bytes"),
    ],
)
def test_bodies_are_measured_first(body: bytes, found: str) -> None:
    """Too large, too deep, or numbers that are no JSON; malformed JSON is left to the parser."""
    problem = body_problem(body)
    assert (found in problem) if found else (problem == "")


async def through(body: list[bytes], scope: dict[str, Any]) -> tuple[list[dict[str, Any]], list[Any]]:
    """What BodyLimit sends, and what the application behind it received."""
    chunks = [{"type": "http.request", "body": part, "more_body": n < len(body) - 1} for n, part in enumerate(body)]
    sent: list[dict[str, Any]] = []
    received: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        received.append(await receive())
        if scope["type"] == "http" and scope["method"] == "POST":
            received.append(await receive())

    async def receive() -> dict[str, Any]:
        return chunks.pop(0) if chunks else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await BodyLimit(app, tell=lambda *_: None)(scope, receive, send)
    return sent, received


async def test_a_good_body_passes_in_one_piece() -> None:
    """The application sees the whole body once, then what follows."""
    sent, received = await through(
        [b'{"a":', b" 1}"], {"type": "http", "method": "POST", "path": "/v1/judge", "headers": []}
    )
    assert sent == []
    assert [m.get("body") for m in received] == [b'{"a": 1}', None]


async def test_what_has_no_body_passes_untouched() -> None:
    """Reading and other protocols are not looked at."""
    for scope in ({"type": "http", "method": "GET"}, {"type": "lifespan"}):
        _, received = await through([b"x"], scope)
        assert received[0]["body"] == b"x"


async def test_an_endless_body_is_cut_off() -> None:
    """No more than the limit is ever held."""
    sent, received = await through(
        [b"x" * MAX_BYTES] * 5, {"type": "http", "method": "POST", "path": "/v1/judge", "headers": []}
    )
    assert received == []
    assert sent[0]["status"] == 422
    assert json.loads(sent[1]["body"])["code"] == "request.body"


def client(answer: Callable[[httpx.Request], httpx.Response]) -> HttpGuard:
    return HttpGuard("http://action-server", "t", httpx.MockTransport(answer))


async def test_a_restarting_server_is_asked_again_where_that_is_safe() -> None:
    """Judging, applying and reading are repeated; an entry is not written twice because an answer was lost."""
    calls: list[str] = []

    def lost(request: httpx.Request) -> httpx.Response:
        calls.append(request.url.path)
        raise httpx.ReadError("connection reset")

    async with client(lost) as guard:
        with pytest.raises(UpstreamError):
            await guard.apply("p", "s", actor())
        assert len(calls) == 3
        with pytest.raises(UpstreamError):
            await guard.record("observation", "c", {})
        assert len(calls) == 4


async def test_a_refused_connection_is_tried_again_for_everything() -> None:
    """Nothing was sent, so nothing can happen twice."""
    calls: list[str] = []

    def refused(request: httpx.Request) -> httpx.Response:
        calls.append(request.url.path)
        if len(calls) < 3:
            raise httpx.ConnectError("refused")
        return httpx.Response(200, json={"nonsense": True})

    async with client(refused) as guard:
        with pytest.raises(UpstreamError, match="unexpected"):
            await guard.record("observation", "c", {})
    assert len(calls) == 3


@pytest.mark.parametrize(
    "answer", [httpx.Response(200, text="<html>"), httpx.Response(200, json={"judgements": 3}), httpx.Response(502)]
)
async def test_an_answer_that_makes_no_sense_is_an_upstream_error(answer: httpx.Response) -> None:
    """A proxy, another program on the port, another version."""
    async with client(lambda _: answer) as guard:
        with pytest.raises(UpstreamError):
            await guard.judge(plan(RESTART), actor())
        with pytest.raises(UpstreamError):
            await guard.status()


async def test_ids_cannot_climb_out_of_their_path() -> None:
    """An id with slashes or dots stays one segment."""
    paths: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path.decode())
        return httpx.Response(404, json=problem_of(NotFoundError("none")).model_dump())

    async with client(answer) as guard:
        for id in ("../status", "a/b", "a?b=c", "ä#"):
            with pytest.raises(NotFoundError):
                await guard.approval(id)
    assert all(path.count("/") == 3 for path in paths), paths
    assert all(path.startswith("/v1/approvals/") for path in paths)
