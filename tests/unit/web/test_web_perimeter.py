from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.datastructures import Headers

from tests.fakes import web_services as fakes
from tests.fakes.web_services import FakeDoor, FakeResponder
from web.perimeter import BODY_LIMIT, OPEN_PATHS, OPEN_PREFIXES, SAFE_METHODS, same_origin, session_id
from web.ports import Ports


def _routes(app: FastAPI) -> Iterator[tuple[str, str]]:
    def walk(routes: object) -> Iterator[APIRoute]:
        for route in routes:  # type: ignore[attr-defined]
            if isinstance(route, APIRoute):
                yield route
            inner = getattr(route, "original_router", None) or getattr(route, "routes", None)
            if inner is not None:
                yield from walk(getattr(inner, "routes", inner))

    for route in walk(app.routes):
        path = getattr(route, "path_format", route.path)
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield method, re.sub(r"{[^}]+}", "some-id", path)


def _closed(path: str) -> bool:
    return path not in OPEN_PATHS and not path.startswith(OPEN_PREFIXES)


async def test_nothing_answers_without_a_credential(app: FastAPI, stranger: httpx.AsyncClient) -> None:
    """Every route but the listed ones refuses a stranger, whatever its method."""
    seen = 0
    paths = {*_routes(app), *((m, p) for p, item in app.openapi()["paths"].items() for m in map(str.upper, item))}
    for method, raw in paths:
        path = re.sub(r"{[^}]+}", "some-id", raw)
        if _closed(path):
            answer = await stranger.request(method, path)
            assert answer.status_code == 401, f"{method} {path}"
            seen += 1
    assert seen >= 30


async def test_a_wrong_token_is_no_token(stranger: httpx.AsyncClient) -> None:
    """Neither a guess, nor the intake token, nor the agent's opens the API."""
    for token in ("", "guess", fakes.INTAKE, fakes.OPERATOR + "x", fakes.OPERATOR[:-1]):
        answer = await stranger.get("/api/incidents", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401
        assert "Bearer" in answer.headers["www-authenticate"]


async def test_a_person_sees_how_to_sign_in(stranger: httpx.AsyncClient) -> None:
    """A browser without a session gets the sign-in page with status 401, and comes back to where it was."""
    answer = await stranger.get("/incidents/inc-1?x=1", headers={"Accept": "text/html"})
    assert answer.status_code == 401
    assert 'name="to" value="/incidents/inc-1?x=1"' in answer.text


async def test_health_is_open(stranger: httpx.AsyncClient) -> None:
    """The health check needs no credential."""
    assert (await stranger.get("/healthz")).status_code == 200


async def test_the_drill_runner_reads_and_does_nothing_else(app: FastAPI, stranger: httpx.AsyncClient) -> None:
    """Its token lists incidents but may not write anywhere."""
    headers = {"Authorization": f"Bearer {fakes.CHAOS}"}
    assert (await stranger.get("/api/incidents", headers=headers)).status_code == 200
    for method, path in _routes(app):
        if method not in SAFE_METHODS and _closed(path):
            assert (await stranger.request(method, path, headers=headers)).status_code == 403, path


async def test_every_answer_has_the_strict_headers(person: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    """Pages, problems and static files forbid inline scripts and foreign frames."""
    for answer in (await person.get("/"), await stranger.get("/api/incidents"), await stranger.get("/static/theme.js")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_request_ids_are_kept_when_they_are_plain(person: httpx.AsyncClient) -> None:
    """A sender's own id is used; anything that could break a log line is replaced."""
    kept = await person.get("/healthz", headers={"X-Request-Id": "trace-7.a"})
    made = await person.get("/healthz", headers={"X-Request-Id": "a b\tc<script>"})
    assert kept.headers["x-request-id"] == "trace-7.a"
    assert made.headers["x-request-id"].startswith("req-")


async def test_large_bodies_are_refused_before_they_are_read(person: httpx.AsyncClient) -> None:
    """A declared and an undeclared oversize both get 413, and nothing is stored."""
    declared = await person.post("/api/chat", content=b"x" * (BODY_LIMIT + 1))

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(BODY_LIMIT // 65536 + 2):
            yield b"x" * 65536

    streamed = await person.post("/intake/generic", content=chunks())
    for answer in (declared, streamed):
        assert answer.status_code == 413
        assert answer.json()["code"] == "request.too_large"


async def test_signing_in_moves_the_token_out_of_the_address(stranger: httpx.AsyncClient) -> None:
    """The exchange sets a strict, script-proof cookie and redirects to an address without the token."""
    answer = await stranger.get("/login", params={"token": fakes.OPERATOR, "to": "/ledger"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/ledger"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert fakes.OPERATOR not in cookie
    assert (await stranger.get("/api/session")).json()["name"] == "operator"


async def test_the_drill_runner_cannot_become_a_browser(stranger: httpx.AsyncClient) -> None:
    """Only a person's token opens a session."""
    for token in (fakes.CHAOS, fakes.INTAKE, "guess"):
        assert (await stranger.get("/login", params={"token": token})).status_code == 401


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:1", "/\n/x", ""]
)
async def test_signing_in_never_leads_away(stranger: httpx.AsyncClient, target: str) -> None:
    """A crafted link cannot send a signed-in person to another site."""
    answer = await stranger.get("/login", params={"token": fakes.OPERATOR, "to": target})
    assert answer.headers["location"] == "/"


async def test_a_ticket_signs_in_once(person: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    """A one-time link works for the first click only."""
    path = (await person.post("/api/login-tickets")).json()["path"]
    assert (await stranger.get(path)).status_code == 303
    stranger.cookies.clear()
    assert (await stranger.get(path)).status_code == 401


async def test_signing_out_ends_the_session(browser: httpx.AsyncClient, csrf: Callable[[], str]) -> None:
    """The cookie is worthless afterwards, even when somebody kept it."""
    kept = dict(browser.cookies)
    await browser.post("/logout", data={"csrf_token": csrf()})
    browser.cookies.update(kept)
    assert (await browser.get("/api/session")).status_code == 401


async def test_a_rotated_token_ends_its_sessions(browser: httpx.AsyncClient, ports: Ports) -> None:
    """When the operator's token changes, browsers that signed in with the old one are out."""
    (ports.home / "secrets" / "operator.token").write_text("another\n")
    assert (await browser.get("/api/session")).status_code == 401


async def test_browser_writes_need_the_sessions_own_token(
    app: FastAPI, browser: httpx.AsyncClient, ports: Ports
) -> None:
    """Every write of a signed-in browser without the form token is refused, on every route."""
    for method, path in _routes(app):
        if method not in SAFE_METHODS and _closed(path):
            answer = await browser.request(method, path, data={"csrf_token": "wrong"})
            assert answer.status_code == 403, f"{method} {path}"
    assert isinstance(ports.door, FakeDoor)
    assert isinstance(ports.responder, FakeResponder)
    assert ports.door.tokens == []
    assert ports.responder.tokens == []


@pytest.mark.parametrize(
    "words",
    [
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://firebreak.test:81", "Sec-Fetch-Site": "same-site"},
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "", "Sec-Fetch-Site": ""},
    ],
)
async def test_writes_from_other_sites_are_refused(
    browser: httpx.AsyncClient, csrf: Callable[[], str], words: dict[str, str]
) -> None:
    """Even with cookie and form token, a write must say that our own page sent it."""
    answer = await browser.post("/kill", data={"csrf_token": csrf()}, headers=words)
    assert answer.status_code == 403


async def test_own_forms_pass(browser: httpx.AsyncClient, csrf: Callable[[], str], ports: Ports) -> None:
    """With both halves of the protection the form does its work, with the person's own token."""
    answer = await browser.post("/kill", data={"csrf_token": csrf(), "reason": "drill", "back": "/slis"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/slis#main")
    assert isinstance(ports.door, FakeDoor)
    assert ports.door.tokens == [fakes.OPERATOR]


def test_a_silent_browser_is_not_ours() -> None:
    """No Origin and no Sec-Fetch-Site is a no, not a yes."""
    assert not same_origin(Headers({"host": "a"}))
    assert same_origin(Headers({"host": "a", "origin": "http://a"}))
    assert not same_origin(Headers({"host": "a", "origin": "http://a.evil"}))


def test_garbage_cookies_are_no_session() -> None:
    """A malformed Cookie header signs nobody in and breaks nothing."""
    assert session_id("firebreak_session") == ""
    assert session_id("\x00=;;;=") == ""
    assert session_id("a=b; firebreak_session=xyz; c=d") == "xyz"
