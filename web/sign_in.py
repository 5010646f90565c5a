"""Signing in through somebody else: an OpenID provider (code flow with PKCE), or a proxy that is trusted by its address.

Neither the app nor a browser is believed: the action server verifies the ID token and makes the person's token, which
then lives in this app's session like any other. Through a proxy the app's word counts, so nothing but the proxy's own
connection may bring the header.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from domain.clock import Clock
from domain.errors import AuthError, ConfigError, UpstreamError
from graph.settings import Settings
from web.login import local_path, with_session
from web.ports import Door
from web.sessions import Session, Sessions

FLOW_COOKIE = "firebreak_sign_in"
FLOW_LIFE = timedelta(minutes=10)
_FLOWS = 256
"""Sign-ins under way; the oldest go first."""
CALLBACK = "/login/oidc/callback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One sign-in under way."""

    nonce: str
    verifier: str
    to: str
    expires_at: datetime


class Oidc:
    """The app's half of the code flow."""

    def __init__(self, settings: Settings, clock: Clock, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self._transport = transport
        self._flows: OrderedDict[str, Flow] = OrderedDict()

    async def begin(self, to: str, redirect_uri: str) -> tuple[str, str]:
        """(where to send the browser, state). Raises UpstreamError when the provider does not answer."""
        flow = Flow(
            nonce=secrets.token_urlsafe(24),
            verifier=secrets.token_urlsafe(48),
            to=local_path(to),
            expires_at=self._clock.now() + FLOW_LIFE,
        )
        endpoints = await self._discovered()
        async with self._client(redirect_uri) as client:
            url, state = client.create_authorization_url(
                endpoints["authorization_endpoint"], nonce=flow.nonce, code_verifier=flow.verifier
            )
        self._flows[state] = flow
        while len(self._flows) > _FLOWS:
            self._flows.popitem(last=False)
        return url, state

    async def finish(self, state: str, bound: str, code: str, redirect_uri: str) -> tuple[str, Flow]:
        """(ID token, its flow). Every state serves once, in the browser that began it. Raises AuthError, UpstreamError."""
        flow = self._flows.pop(state, None)
        same_browser = hmac.compare_digest(state.encode(), bound.encode())
        if flow is None or not same_browser or self._clock.now() >= flow.expires_at or not code:
            raise AuthError(
                "This sign-in was not begun here, or it is too old.",
                expected="the answer to a sign-in that this browser began less than ten minutes ago",
                found="another browser's" if flow and not same_browser else "an unknown or used one",
                hint="Begin again at /login.",
                code="auth.oidc",
            )
        endpoints = await self._discovered()
        try:
            async with self._client(redirect_uri) as client:
                token = await client.fetch_token(endpoints["token_endpoint"], code=code, code_verifier=flow.verifier)
        except (AuthlibBaseError, httpx.HTTPError) as error:
            raise AuthError(
                "The provider did not take the code.", found=f"{type(error).__name__}: {error}"[:200], code="auth.oidc"
            ) from error
        if not isinstance(token.get("id_token"), str):
            raise AuthError("The provider gave no ID token.", expected="scope openid", code="auth.oidc")
        return token["id_token"], flow

    def _client(self, redirect_uri: str) -> Any:
        """Typed loosely: the library does not publish that its client closes itself."""
        secret = self._settings.oidc_client_secret
        return AsyncOAuth2Client(
            client_id=self._settings.oidc_client_id,
            client_secret=secret.get_secret_value() if secret else None,
            token_endpoint_auth_method="client_secret_basic" if secret else "none",
            scope="openid email profile",
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            transport=self._transport,
            timeout=5.0,
        )

    async def _discovered(self) -> dict[str, str]:
        place = f"{self._settings.oidc_issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            async with httpx.AsyncClient(transport=self._transport, timeout=5.0) as client:
                found = (await client.get(place)).raise_for_status().json()
                return {name: str(found[name]) for name in ("authorization_endpoint", "token_endpoint")}
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise UpstreamError(
                "The OpenID provider does not answer.",
                expected=place,
                found=f"{type(error).__name__}: {error}"[:200],
                hint="Sign in with a token until it does.",
            ) from error


def proxies(words: str) -> list[IPv4Network | IPv6Network]:
    """Addresses and networks of trusted proxies. Raises ConfigError."""
    try:
        return [ip_network(word.strip()) for word in words.split(",") if word.strip()]
    except ValueError as error:
        raise ConfigError(
            "The trusted proxies cannot be read.",
            expected="addresses or networks, such as 10.0.0.7, 10.1.0.0/16",
            found=str(error)[:200],
        ) from error


def build(door: Door, sessions: Sessions, settings: Settings, oidc: Oidc) -> APIRouter:
    """The routes; those that are not configured refuse."""
    router = APIRouter(include_in_schema=False)
    trusted = proxies(settings.trusted_proxies)

    def redirect_uri(request: Request) -> str:
        return (settings.public_url or str(request.base_url)).rstrip("/") + CALLBACK

    @router.get("/login/oidc")
    async def begin(request: Request, to: str = "/") -> Response:
        if not settings.oidc_issuer:
            raise _unconfigured("FIREBREAK_OIDC_ISSUER")
        url, state = await oidc.begin(to, redirect_uri(request))
        response = RedirectResponse(url, 303)
        # Lax: the provider's answer comes from another site, and this cookie opens nothing by itself.
        response.set_cookie(FLOW_COOKIE, state, max_age=600, path="/login", httponly=True, samesite="lax")
        return response

    @router.get(CALLBACK)
    async def finish(request: Request, state: str = "", code: str = "") -> Response:
        bound = request.cookies.get(FLOW_COOKIE, "")
        id_token, flow = await oidc.finish(state, bound, code, redirect_uri(request))
        return _welcome(request, sessions.open(await door.sign_in_oidc(id_token, flow.nonce)), flow.to)

    @router.get("/login/proxy")
    async def proxied(request: Request, to: str = "/") -> Response:
        token = await door.sign_in_proxy(vouched_for(request, trusted, settings.trusted_proxy_header))
        return _welcome(request, sessions.open(token), local_path(to))

    return router


def vouched_for(request: Request, trusted: Sequence[IPv4Network | IPv6Network], header: str) -> str:
    """Whom a trusted proxy let through. Raises AuthError when nobody trusted says so, or says nobody."""
    name = request.headers.get(header, "")
    peer = request.client.host if request.client else ""
    if not any(ip_address(peer) in network for network in trusted if peer):
        raise AuthError(
            "Only a trusted proxy may say who you are.",
            expected="a connection from one of FIREBREAK_TRUSTED_PROXIES",
            found=peer or "no address",
            code="auth.untrusted_proxy",
        )
    if not name:
        raise AuthError("The proxy did not say who you are.", expected=f"the header {header}", found="none")
    return name


def _welcome(request: Request, session: Session, to: str) -> Response:
    """A page of ours that goes on by itself: a redirect would still count as the other site's and bring no strict cookie."""
    target = escape(to, quote=True)
    page = f'<!doctype html><meta http-equiv="refresh" content="0;url={target}"><a href="{target}">Go on</a>'
    response = with_session(HTMLResponse(page), request, session)
    response.delete_cookie(FLOW_COOKIE, path="/login")
    return response


def _unconfigured(setting: str) -> AuthError:
    return AuthError("Nobody signs in that way here.", expected=setting, found="unset", code="auth.not_configured")
