"""Signing in: a token or a one-time ticket becomes a session cookie, and leaves the address bar."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from domain.errors import AuthError
from domain.value import Value
from web.keyring import Keyring, Role
from web.pages import Pages
from web.perimeter import COOKIE, same_origin, session_id
from web.persons import Caller
from web.sessions import SESSION_LIFE, TICKET_LIFE, Session, Sessions


class Ticket(Value):
    """A link that signs one browser in, once."""

    schema_version: str = "1"
    path: str
    seconds: int


class Whoami(Value):
    """The caller as the app sees it."""

    schema_version: str = "1"
    name: str
    role: str
    roles: list[str] = []
    """Of a person: viewer, responder, approver, admin."""


def local_path(target: str) -> str:
    """The path to go on to after signing in; anything that could leave this address becomes `/`."""
    parts = urlsplit(target)
    plain = target.startswith("/") and not target.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return target if plain and "\\" not in target and target.isprintable() else "/"


def landing(target: str) -> str:
    """Where a form that was sent leads: the same local path, with the content in focus for who works by keyboard."""
    return local_path(target).partition("#")[0] + "#main"


def with_session(response: Response, request: Request, session: Session) -> Response:
    """The answer that signs this browser in."""
    response.set_cookie(
        COOKIE,
        session.id,
        max_age=int(SESSION_LIFE.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


def entered(token: str, keyring: Keyring, sessions: Sessions) -> Session | None:
    """The session that a one-time ticket or a person's token opens; None for anything else."""
    session = sessions.redeem(token)
    if session is not None:
        return session
    known = keyring.principal(token)
    return sessions.open(token) if known and known.role is Role.PERSON else None


def build(pages: Pages, keyring: Keyring, sessions: Sessions) -> APIRouter:
    """Routes of signing in and out."""
    router = APIRouter(tags=["sign-in"])

    async def answer(request: Request, token: str, target: str) -> Response:
        session = entered(token.strip(), keyring, sessions)
        if session is None:
            return await pages.render(request, "login.html", status=401, target=local_path(target), refused=True)
        return with_session(RedirectResponse(local_path(target), 303), request, session)

    @router.get("/login", include_in_schema=False)
    async def login(request: Request, token: str = "", to: str = "/") -> Response:
        if token:
            return await answer(request, token, to)
        return await pages.render(request, "login.html", target=local_path(to), refused=False)

    @router.post("/login", include_in_schema=False)
    async def submit(request: Request, token: Annotated[str, Form()], to: Annotated[str, Form()] = "/") -> Response:
        if not same_origin(request.headers):
            raise AuthError("This form was not sent by our own page.", code="auth.cross_site")
        return await answer(request, token, to)

    @router.post("/logout", include_in_schema=False)
    async def logout(request: Request, caller: Caller) -> Response:
        sessions.close(session_id(request.headers.get("cookie", "")))
        response = RedirectResponse("/login", 303)
        response.delete_cookie(COOKIE)
        return response

    @router.get("/api/session", summary="Who am I")
    async def whoami(caller: Caller) -> Whoami:
        return Whoami(name=caller.name, role=caller.role, roles=sorted(caller.roles))

    @router.post("/api/login-tickets", summary="A one-time sign-in link for a browser")
    async def ticket(caller: Caller) -> Ticket:
        path = f"/login?token={sessions.ticket(caller.token).id}"
        return Ticket(path=path, seconds=int(TICKET_LIFE.total_seconds()))

    return router
