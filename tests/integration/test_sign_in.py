"""People sign in with tokens of their own, through an OpenID provider, and through a trusted proxy: app, action server, provider.

App and action server are the real ones over their real HTTP interfaces; the provider is a double with its own keys.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from domain.clock import ManualClock
from domain.errors import AuthError, ConfigError, ConflictError, GovernanceError, NotFoundError, UpstreamError
from domain.guard import ApprovalAnswer, Decision
from domain.inventory import Mode, Person
from governance.guard.build import build_guard
from governance.guard.client import HttpGuard
from governance.guard.people import SignIn
from governance.guard.server import build_action_server
from governance.identity import Identities, Role
from governance.ledger.memory import MemoryLedger
from governance.oidc import OidcVerifier
from governance.oidc import Provider as Trusted
from governance.people import FILE, SESSION_LIFE, People
from graph.settings import Settings
from tests.fakes import web_services
from tests.fakes.executor import FakeExecutor, sandbox_inventory
from tests.fakes.guard import RESTART, TOKENS, actor, plan
from tests.fakes.oidc_server import CLIENT, Provider, provider
from web.build import build_app
from web.door import GuardDoor

pytestmark = pytest.mark.integration

PEOPLE = [
    Person(name="ada", roles=["approver"]),
    Person(name="bo", roles=["approver"]),
    Person(name="vi", roles=["viewer"]),
]
REFUSED = (401, 403)
SITE = "http://firebreak.test"


@pytest.fixture(scope="module")
def idp() -> Iterator[Provider]:
    with provider(ManualClock()) as served:
        yield served


class Town:
    """One home: action server and app, with whoever asks."""

    def __init__(self, home: Path, idp: Provider, **settings: Any) -> None:
        self.clock, self.idp = ManualClock(), idp
        idp.clock = self.clock
        idp.claims = {"preferred_username": "ada"}
        idp.changed, idp.published, idp.without_id_token = {}, None, False
        web_services.write_secrets(home)
        people = People(home / "secrets" / FILE, self.clock, PEOPLE)
        identities = Identities(people=people)
        identities.enrol("operator", [Role.ADMIN], TOKENS["operator"][0])
        identities.enrol("app", [Role.AGENT], TOKENS["agent"][0])
        found = sandbox_inventory()
        inventory = found.model_copy(
            update={"services": [s.model_copy(update={"mode": Mode.ASK}) for s in found.services]}
        )
        self.ledger = MemoryLedger(self.clock)
        guard = build_guard(
            executor=FakeExecutor(), inventory=inventory, ledger=self.ledger, identities=identities, clock=self.clock
        )
        self.verifier = OidcVerifier(Trusted(issuer=idp.issuer, client_id=CLIENT), self.clock)
        by_proxy = bool(settings.get("trusted_proxies"))
        by_github = bool(settings.get("github_signs"))
        sign_in = SignIn(people=people, oidc=self.verifier, by_proxy=by_proxy, by_github=by_github)
        self.server = build_action_server(guard, sign_in)
        self.people = people
        ports = replace(web_services.ports(home), door=GuardDoor(self.holder("agent")), clock=self.clock)
        given = {"home": home, "oidc_issuer": idp.issuer, "oidc_client_id": CLIENT, **settings}
        self.app = build_app(ports, Settings(**given))

    def holder(self, name: str = "", token: str = "") -> HttpGuard:
        transport = httpx.ASGITransport(app=self.server)
        return HttpGuard("http://action-server", token or TOKENS[name][0], transport)

    @asynccontextmanager
    async def browser(self, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(app=self.app, client=("10.0.0.7", 4711))
        sent = {"Accept": "text/html", **headers}
        async with httpx.AsyncClient(transport=transport, base_url=SITE, headers=sent) as client:
            yield client

    async def through_provider(self, client: httpx.AsyncClient) -> httpx.Response:
        """Begin, let the provider answer, come back."""
        begun = await client.get("/login/oidc", params={"to": "/approvals"})
        async with httpx.AsyncClient() as outside:
            answered = await outside.get(begun.headers["location"])
        back = urlsplit(answered.headers["location"])
        return await client.get(f"{back.path}?{back.query}")


async def test_a_person_signs_in_through_the_provider_and_answers_as_herself(tmp_path: Path, idp: Provider) -> None:
    """Code flow with PKCE, state and nonce; her name and roles are the inventory's, her answer stands under her name."""
    town = Town(tmp_path, idp)
    async with town.browser() as client:
        begun = await client.get("/login/oidc", params={"to": "/approvals"})
        asked = parse_qs(urlsplit(begun.headers["location"]).query)
        assert asked["code_challenge_method"] == ["S256"]
        assert {"state", "nonce", "code_challenge"} <= set(asked)
        assert asked["redirect_uri"] == [f"{SITE}/login/oidc/callback"]
        welcome = await town.through_provider(client)
        assert (welcome.status_code, 'url=/approvals"' in welcome.text) == (200, True)
        assert "samesite=strict" in welcome.headers["set-cookie"].lower()
        who = (await client.get("/api/session")).json()
        assert (who["name"], who["roles"]) == ("ada", ["approver"])
    row = town.people.rows()[-1]
    assert (row.kind, row.via) == ("session", idp.issuer)
    entry = next(e for e in town.ledger.entries() if e.kind == "person")
    assert (entry.content["event"], entry.actor) == ("signed_in", "ada")
    town.clock.advance(SESSION_LIFE.total_seconds())
    assert town.people.rows() == []


async def test_a_session_token_answers_and_ends(tmp_path: Path, idp: Provider) -> None:
    """What the action server made for her opens approvals there, under her name, and nothing after it was removed."""
    town = Town(tmp_path, idp)
    async with town.holder("agent") as agent, town.holder("operator") as admin:
        made = await agent.sign_in_oidc(idp.id_token("nonce-of-this-sign-in"), "nonce-of-this-sign-in")
        (judged,) = await agent.judge(plan(RESTART), actor())
        assert judged.approval_id is not None
        async with town.holder(token=made.token) as ada:
            answered = await ada.answer(judged.approval_id, ApprovalAnswer(decision=Decision.APPROVE))
            assert answered.answered_by == ["ada"]
            with pytest.raises(AuthError):
                await ada.people()
            await admin.remove_person("ada")
            with pytest.raises(AuthError):
                await ada.approvals()


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://elsewhere.example"},
        {"aud": "another-client"},
        {"nonce": "another-nonce-of-somebody"},
        {"nonce": None},
        {"exp": 1},
        {"iat": None},
        {"sub": None},
        {"preferred_username": None},
        {"preferred_username": "nobody"},
    ],
)
async def test_a_token_that_does_not_hold_signs_nobody_in(tmp_path: Path, idp: Provider, wrong: dict[str, Any]) -> None:
    """Wrong issuer, audience, nonce, time, or a person whom the inventory does not name."""
    town = Town(tmp_path, idp)
    async with town.holder("agent") as agent:
        with pytest.raises(AuthError):
            await agent.sign_in_oidc(idp.id_token("nonce-of-this-sign-in", wrong), "nonce-of-this-sign-in")
    assert town.people.rows() == []


async def test_signatures_count_and_keys_may_rotate(tmp_path: Path, idp: Provider) -> None:
    """A new key of the provider is read once; another's key, a shared secret and nonsense are refused."""
    town, nonce = Town(tmp_path, idp), "nonce-of-this-sign-in"
    async with town.holder("agent") as agent:
        await agent.sign_in_oidc(idp.id_token(nonce), nonce)
        idp.rotate()
        await agent.sign_in_oidc(idp.id_token(nonce), nonce)
        honest = idp.key
        idp.rotate()
        idp.published, forged = honest, idp.id_token(nonce)
        shared = jwt.encode(
            {"alg": "HS256"}, {"iss": idp.issuer}, OctKey.import_key("client-secret-of-32-characters!!")
        )
        for token in (forged, shared, "nonsense", "a.b.c"):
            with pytest.raises(AuthError, match="does not hold"):
                await agent.sign_in_oidc(token, nonce)


async def test_a_provider_that_is_another_or_silent_signs_nobody_in(tmp_path: Path, idp: Provider) -> None:
    """What discovery calls itself must be what was configured."""
    for issuer, error in ((f"{idp.issuer}/", AuthError), ("http://127.0.0.1:9", UpstreamError)):
        town = Town(tmp_path, idp)
        verifier = OidcVerifier(Trusted(issuer=issuer, client_id=CLIENT), town.clock)
        with pytest.raises(error):
            await verifier.name_of(idp.id_token("n"), "n")


async def test_an_answer_that_was_not_asked_for_here_is_refused(tmp_path: Path, idp: Provider) -> None:
    """Another browser's state, a used one, an old one, no code, a wrong code, no ID token."""
    town = Town(tmp_path, idp)
    async with town.browser() as client, town.browser() as thief:
        begun = await client.get("/login/oidc")
        async with httpx.AsyncClient() as outside:
            back = urlsplit((await outside.get(begun.headers["location"])).headers["location"])
        assert (await thief.get(f"{back.path}?{back.query}")).status_code in REFUSED
        assert (await client.get(f"{back.path}?{back.query}")).status_code in REFUSED
        begun = await client.get("/login/oidc")
        state = parse_qs(urlsplit(begun.headers["location"]).query)["state"][0]
        assert (
            await client.get("/login/oidc/callback", params={"state": state, "code": "guessed"})
        ).status_code in REFUSED
        begun = await client.get("/login/oidc")
        state = parse_qs(urlsplit(begun.headers["location"]).query)["state"][0]
        town.clock.advance(601)
        assert (await client.get("/login/oidc/callback", params={"state": state, "code": "c"})).status_code in REFUSED
        idp.without_id_token = True
        assert (await town.through_provider(client)).status_code in REFUSED
    assert town.people.rows() == []


async def test_a_trusted_proxy_signs_people_in_and_nobody_else_does(tmp_path: Path, idp: Provider) -> None:
    """By the address of the connection; the same header from elsewhere is refused, and so is a name nobody knows."""
    town = Town(tmp_path, idp, trusted_proxies="10.0.0.0/8")
    async with town.browser(**{"X-Forwarded-User": "vi"}) as client:
        assert (await client.get("/login/proxy")).status_code == 200
        assert (await client.get("/api/session")).json()["name"] == "vi"
        assert (await client.get("/approvals")).status_code == 200
        looked = await client.post("/api/kill", json={"reason": "x"}, headers={"Origin": SITE})
        assert (looked.status_code, "only looks" in looked.text) == (403, True)
    async with town.browser(**{"X-Forwarded-User": "nobody"}) as client:
        assert (await client.get("/login/proxy")).status_code in REFUSED
    async with town.browser() as client:
        assert (await client.get("/login/proxy")).status_code in REFUSED
        assert "through your proxy" in (await client.get("/login")).text
    elsewhere = Town(tmp_path, idp, trusted_proxies="10.9.0.0/16")
    async with elsewhere.browser(**{"X-Forwarded-User": "ada"}) as client:
        assert (await client.get("/login/proxy")).status_code in REFUSED
    async with Town(tmp_path, idp).holder("agent") as agent:
        with pytest.raises(AuthError, match="trusted proxy"):
            await agent.sign_in_proxy("ada")
        with pytest.raises(AuthError, match="comment at GitHub"):
            await agent.sign_in_github("ada")
    with pytest.raises(ConfigError, match="trusted proxies"):
        Town(tmp_path, idp, trusted_proxies="my proxy")


async def test_who_wrote_a_comment_is_the_apps_word_where_it_is_taken(tmp_path: Path, idp: Provider) -> None:
    """A session for a person of the inventory, on record; nobody but the app may say so, and no stranger comes of it."""
    town = Town(tmp_path, idp, github_signs=True)
    async with town.holder("agent") as agent, town.holder("operator") as operator:
        made = await agent.sign_in_github("ada")
        assert (made.person.via, made.person.kind) == ("comment at GitHub", "session")
        with pytest.raises(AuthError):
            await operator.sign_in_github("ada")
        with pytest.raises(AuthError, match="nobody here"):
            await agent.sign_in_github("mallory")


async def test_administrators_give_tokens_and_take_them_away(tmp_path: Path, idp: Provider) -> None:
    """Shown once, kept as a digest; rotated and removed at once, also in the app; every change is in the ledger."""
    town = Town(tmp_path, idp)
    async with town.holder("operator") as admin, town.holder("agent") as agent:
        made = await admin.add_person("bo")
        assert (made.person.roles, made.token in (tmp_path / "secrets" / FILE).read_text()) == (["approver"], False)
        helper = await admin.add_person("temp", ["viewer"])
        attempts: list[Callable[[], Awaitable[object]]] = [
            lambda: admin.add_person("bo"),
            lambda: admin.add_person("temp2"),
            lambda: admin.add_person("temp2", ["agent"]),
            lambda: admin.add_person("ada", ["admin"]),
            lambda: admin.add_person("operator", ["admin"]),
            lambda: admin.add_person("cy@example.com", ["viewer"]),
            lambda: admin.rotate_person("who"),
            lambda: agent.add_person("me", ["admin"]),
        ]
        for wrong in attempts:
            with pytest.raises((AuthError, ConflictError, NotFoundError, GovernanceError)):
                await wrong()
        async with town.browser(Authorization=f"Bearer {made.token}") as client:
            assert (await client.get("/api/session")).json()["name"] == "bo"
            fresh = await admin.rotate_person("bo")
            assert (await client.get("/api/session")).status_code == 401
        assert {p.name for p in (await admin.people()).people} == {"bo", "temp"}
        async with town.holder(token=fresh.token) as bo, town.holder(token=helper.token) as temp:
            assert await bo.approvals() == []
            with pytest.raises(AuthError):
                await temp.take("inc-1")
        await admin.rotate_person("temp")
        await admin.remove_person("temp")
    events = [(e.content["event"], e.content["person"]) for e in town.ledger.entries() if e.kind == "person"]
    assert events[:3] == [("added", "bo"), ("added", "temp"), ("rotated", "bo")]
    (tmp_path / "secrets" / FILE).write_text("[{]")
    with pytest.raises(ConfigError, match="cannot be read"):
        town.people.rows()


async def test_a_shared_provider_key_is_refused_even_when_it_fits(tmp_path: Path, idp: Provider) -> None:
    """A verifier that has read the keys once reads them again, and says no when they still do not fit."""
    town = Town(tmp_path, idp)
    idp.rotate()
    with pytest.raises(AuthError):
        await town.verifier.name_of(idp.id_token("n", {"exp": 1}), "n")
    assert await town.verifier.name_of(idp.id_token("n"), "n") == "ada"


async def test_without_a_setting_nobody_comes_in_that_way(tmp_path: Path, idp: Provider) -> None:
    """Neither at the app nor at the action server."""
    town = Town(tmp_path, idp, oidc_issuer="")
    async with town.browser() as client:
        assert (await client.get("/login/oidc")).status_code in REFUSED
    bare = build_action_server(town.server.state.guard)
    alone = build_action_server(town.server.state.guard, SignIn(people=town.people))
    for app in (bare, alone):
        async with HttpGuard("http://action-server", TOKENS["agent"][0], httpx.ASGITransport(app=app)) as agent:
            with pytest.raises(AuthError, match="does not know"):
                await agent.sign_in_oidc("x", "nonce-of-this-sign-in")
