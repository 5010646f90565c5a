"""What surrounds every request: an id, a size limit, strict headers, and no way in without a credential.

Plain ASGI, outermost first. A route cannot forget any of it: what is open is listed here, everything else refuses.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.errors import AuthError, FirebreakError
from domain.value import new_id
from web.errors import headers_of, problem_of, problem_response, wants_page
from web.keyring import Keyring, Principal, Role, bearer
from web.sessions import Sessions

COOKIE = "firebreak_session"
BODY_LIMIT = 1 << 20
"""Bytes of a request body; the largest alert deliveries are far below."""
OPEN_PATHS = ("/healthz", "/login", "/login/oidc", "/login/oidc/callback", "/login/proxy", "/favicon.ico")
OPEN_PREFIXES = ("/static/", "/intake/")
"""Intake verifies its senders itself, on the raw bytes."""
VIEWERS_MAY = ("/logout", "/chat", "/api/chat")
"""What somebody who only looks may send: an end, and questions."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

Observer = Callable[[Scope, int, float], None]
"""Told about every finished request: its scope, status and seconds."""
LoginPage = Callable[[Request], Awaitable[ASGIApp]]
"""Shows a person how to sign in, with status 401."""


class RequestIdAndHeaders:
    """Names the request, adds the security headers to every answer and tells the observer how it went."""

    def __init__(self, app: ASGIApp, observe: Observer) -> None:
        self.app = app
        self.observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        asked = Headers(scope=scope).get("x-request-id", "")
        name = asked if _REQUEST_ID.fullmatch(asked) else new_id("req")
        scope.setdefault("state", {})["request_id"] = name
        status = 500
        started = time.perf_counter()

        async def with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = name
                for key, value in HEADERS.items():
                    headers.setdefault(key, value)
                if not scope["path"].startswith("/static/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self.app(scope, receive, with_headers)
        finally:
            self.observe(scope, status, time.perf_counter() - started)


class BodyLimit:
    """Reads the body before anything else does, up to the limit, and refuses the rest with 413."""

    def __init__(self, app: ASGIApp, limit: int = BODY_LIMIT) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS:
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        body = None if _too_long(declared, self.limit) else await self._read(receive)
        if body is None:
            await _refuse(_too_large(self.limit, declared), scope, receive, send)
            return
        replayed = False

        async def replay() -> Message:
            nonlocal replayed
            if replayed:
                return await receive()
            replayed = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, replay, send)

    async def _read(self, receive: Receive) -> bytes | None:
        body = bytearray()
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > self.limit:
                return None
            if message["type"] != "http.request" or not message.get("more_body", False):
                return bytes(body)


class Authentication:
    """Lets nobody through without a credential, and no browser write without proof that our own page sent it."""

    def __init__(self, app: ASGIApp, keyring: Keyring, sessions: Sessions, login_page: LoginPage) -> None:
        self.app = app
        self.keyring = keyring
        self.sessions = sessions
        self.login_page = login_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        principal = self._principal(Headers(scope=scope))
        scope.setdefault("state", {})["principal"] = principal
        if _open(scope["path"]):
            await self.app(scope, receive, send)
            return
        refusal = _refusal(scope, principal)
        if refusal is None:
            await self.app(scope, receive, send)
        elif principal is None and wants_page(request := Request(scope, receive)):
            await (await self.login_page(request))(scope, receive, send)
        else:
            await _refuse(refusal, scope, receive, send)

    def _principal(self, headers: Headers) -> Principal | None:
        token = bearer(headers.get("authorization", ""))
        if token:
            return self.keyring.principal(token)
        session = self.sessions.find(session_id(headers.get("cookie", "")))
        known = self.keyring.principal(session.token) if session else None
        if session is None or known is None:
            return None
        return replace(known, csrf=session.csrf)


def session_id(cookies: str) -> str:
    """The session id of a Cookie header, or an empty string."""
    try:
        morsel = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def same_origin(headers: Headers) -> bool:
    """Whether a browser says that our own page sent this; a missing word is a no."""
    site = headers.get("sec-fetch-site", "")
    origin = headers.get("origin", "")
    if site and site != "same-origin":
        return False
    if origin:
        return urlsplit(origin).netloc == headers.get("host", "")
    return site == "same-origin"


def _open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_PREFIXES)


def _refusal(scope: Scope, principal: Principal | None) -> FirebreakError | None:
    """Why this request does not pass, or None."""
    if principal is None:
        return AuthError(
            "This needs a credential.",
            expected="Authorization: Bearer <operator token>, or a signed-in browser",
            found="none, or one that is not valid",
            hint="The token is in secrets/operator.token of the home; /login takes it too.",
        )
    if scope["method"] in SAFE_METHODS:
        return None
    if principal.role is Role.DRILL:
        return AuthError("The drill runner only reads here.", expected="a person's token", code="auth.forbidden")
    if principal.roles == {"viewer"} and scope["path"] not in VIEWERS_MAY:
        return AuthError(
            f"{principal.name} only looks here.",
            expected="responder, approver or admin",
            found="viewer",
            code="auth.forbidden",
        )
    if principal.by_cookie and not same_origin(Headers(scope=scope)):
        return AuthError(
            "This write was not sent by one of our own pages.",
            expected="an Origin that is this address",
            found=Headers(scope=scope).get("origin", "none")[:120],
            code="auth.cross_site",
        )
    return None


def _too_long(declared: str, limit: int) -> bool:
    return declared.isdigit() and int(declared) > limit


def _too_large(limit: int, declared: str) -> FirebreakError:
    return FirebreakError(
        "The body is too large.",
        expected=f"at most {limit} bytes",
        found=f"{declared} bytes" if declared else "more",
        code="request.too_large",
    )


async def _refuse(error: FirebreakError, scope: Scope, receive: Receive, send: Send) -> None:
    name = scope.get("state", {}).get("request_id", "")
    await problem_response(problem_of(error, name), headers_of(error))(scope, receive, send)
