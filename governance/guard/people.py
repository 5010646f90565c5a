"""People at the action server: who has a token, and who signed in elsewhere and comes with proof of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from pydantic import Field

from domain.errors import AuthError
from domain.value import UtcTime, Value
from governance.guard.attempt import Parts
from governance.guard.guard import GuardedExecutor
from governance.identity import Identity, Right
from governance.ledger.port import Draft
from governance.oidc import OidcVerifier
from governance.people import People, PersonRow

Name = Annotated[str, Field(min_length=1, max_length=80)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """How people come in besides the operator's token."""

    people: People
    oidc: OidcVerifier | None = None
    by_proxy: bool = False
    """True: the app may say who a trusted proxy let through. It then speaks for people; that is what trusting one means."""
    by_github: bool = False
    """True: the app may say who wrote a comment on a pull request. It then speaks for people here too."""


class PersonBody(Value):
    """`POST /v1/people`."""

    name: Name
    roles: Annotated[list[str], Field(max_length=4)] = []


class OidcBody(Value):
    """`POST /v1/sign-in/oidc`."""

    id_token: Annotated[str, Field(max_length=20_000, repr=False)]
    nonce: Annotated[str, Field(min_length=16, max_length=200)]


class NameBody(Value):
    """`POST /v1/sign-in/proxy` and `/v1/sign-in/github`."""

    name: Name


class PersonShown(Value):
    """A credential of a person, without anything that opens something."""

    name: str
    roles: list[str]
    kind: str
    created_at: UtcTime
    expires_at: UtcTime | None = None
    via: str = ""


class PeopleShown(Value):
    """Answer of `GET /v1/people`."""

    people: list[PersonShown]


class Welcome(Value):
    """A person with a token, shown this once."""

    person: PersonShown
    token: Annotated[str, Field(repr=False)]


class Removed(Value):
    """Answer of `DELETE /v1/people/{name}`."""

    name: str


ROUTES = APIRouter()


class Desk:
    """What is asked of people's credentials, by the holder of a token. Every change is a ledger entry."""

    def __init__(self, parts: Parts, sign_in: SignIn, token: str = "") -> None:
        self._parts = parts
        self._sign_in = sign_in
        self._token = token

    def shown(self) -> PeopleShown:
        """Everybody. Raises AuthError for anybody but an administrator."""
        self._holder(Right.MANAGE)
        return PeopleShown(people=[_shown(row) for row in self._sign_in.people.rows()])

    def add(self, name: str, roles: Sequence[str]) -> Welcome:
        """See People.add."""
        by = self._holder(Right.MANAGE)
        return self._welcome("added", by.name, self._sign_in.people.add(name, roles))

    def rotate(self, name: str) -> Welcome:
        """See People.rotate."""
        by = self._holder(Right.MANAGE)
        return self._welcome("rotated", by.name, self._sign_in.people.rotate(name))

    def remove(self, name: str) -> Removed:
        """See People.remove."""
        by = self._holder(Right.MANAGE)
        self._sign_in.people.remove(name)
        self._write("removed", by.name, name, [])
        return Removed(name=name)

    async def with_id_token(self, id_token: str, nonce: str) -> Welcome:
        """A person whom the OpenID provider vouches for. The token is the proof; no credential of ours is needed."""
        verifier = self._sign_in.oidc
        if verifier is None:
            raise _closed("an OpenID provider")
        name = await verifier.name_of(id_token, nonce)
        return self._welcome("signed_in", name, self._sign_in.people.session(name, verifier.provider.issuer))

    def with_proxy(self, name: str) -> Welcome:
        """A person whom a trusted proxy let through, on the app's word."""
        return self._on_the_apps_word(name, "a trusted proxy", self._sign_in.by_proxy)

    def with_github(self, name: str) -> Welcome:
        """A person who wrote a comment on a pull request, on the app's word."""
        return self._on_the_apps_word(name, "a comment at GitHub", self._sign_in.by_github)

    def _on_the_apps_word(self, name: str, via: str, allowed: bool) -> Welcome:
        self._holder(Right.PROPOSE)
        if not allowed:
            raise _closed(via)
        return self._welcome("signed_in", name, self._sign_in.people.session(name, via.split(" ", 1)[1]))

    def _holder(self, right: Right) -> Identity:
        identity = self._parts.identities.identify(self._token)
        identity.require(right)
        return identity

    def _welcome(self, event: str, by: str, made: tuple[PersonRow, str]) -> Welcome:
        row, token = made
        self._write(event, by, row.name, row.roles, row.via)
        return Welcome(person=_shown(row), token=token)

    def _write(self, event: str, by: str, name: str, roles: Sequence[str], via: str = "") -> None:
        content = {"event": event, "person": name, "roles": list(roles), "via": via}
        with self._parts.ledger.transaction() as tx:
            tx.append(Draft(kind="person", actor=by, content=content))


def _desk(request: Request, authorization: Annotated[str, Header()] = "") -> Desk:
    guard: GuardedExecutor = request.app.state.guard
    sign_in: SignIn | None = request.app.state.sign_in
    if sign_in is None:
        raise _closed("people of their own")
    scheme, _, token = authorization.partition(" ")
    return Desk(guard.parts, sign_in, token.strip() if scheme.lower() == "bearer" else "")


AtDesk = Annotated[Desk, Depends(_desk)]


@ROUTES.get("/v1/people")
async def people(desk: AtDesk) -> PeopleShown:
    """Everybody with a credential of their own."""
    return desk.shown()


@ROUTES.post("/v1/people")
async def add(desk: AtDesk, body: PersonBody) -> Welcome:
    """A new person; the token is shown this once."""
    return desk.add(body.name, body.roles)


@ROUTES.post("/v1/people/{name}/rotate")
async def rotate(desk: AtDesk, name: str) -> Welcome:
    """A fresh token; the old one ends."""
    return desk.rotate(name)


@ROUTES.delete("/v1/people/{name}")
async def remove(desk: AtDesk, name: str) -> Removed:
    """Everything of this person ends."""
    return desk.remove(name)


@ROUTES.post("/v1/sign-in/oidc")
async def oidc(desk: AtDesk, body: OidcBody) -> Welcome:
    """Who an OpenID provider says this is; verified here."""
    return await desk.with_id_token(body.id_token, body.nonce)


@ROUTES.post("/v1/sign-in/proxy")
async def proxy(desk: AtDesk, body: NameBody) -> Welcome:
    """Who a trusted proxy let through, told by the app."""
    return desk.with_proxy(body.name)


@ROUTES.post("/v1/sign-in/github")
async def github(desk: AtDesk, body: NameBody) -> Welcome:
    """Who wrote a comment on a pull request, told by the app, which asked GitHub."""
    return desk.with_github(body.name)


def _shown(row: PersonRow) -> PersonShown:
    return PersonShown.model_validate(row.model_dump(exclude={"sha256"}))


def _closed(what: str) -> AuthError:
    return AuthError(f"this home does not know {what}", expected="a setting that allows it", code="auth.not_configured")
