"""A small OpenID provider over HTTP that signs with keys of its own: discovery, keys, code flow with PKCE."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from domain.clock import Clock
from tests.fakes.loopback import on_loopback

CLIENT = "firebreak-at-the-double"


@dataclass
class Provider:
    """Who is signed in there, and what it says of them."""

    clock: Clock
    issuer: str = ""
    claims: dict[str, Any] = field(default_factory=lambda: {"preferred_username": "ada"})
    changed: dict[str, Any] = field(default_factory=dict)
    """Laid over the claims of every token: what a wrong provider would say."""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"}))
    published: RSAKey | None = None
    """What the keys' page shows, when that is another key."""
    without_id_token: bool = False

    def id_token(self, nonce: str, changed: Mapping[str, Any] | None = None) -> str:
        """Signed for our client, good for five minutes."""
        now = int(self.clock.now().timestamp())
        usual = {"iss": self.issuer, "aud": CLIENT, "sub": "u-1", "iat": now, "exp": now + 300, "nonce": nonce}
        claims = {**usual, **self.claims, **self.changed, **(changed or {})}
        held = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, held, self.key)

    def rotate(self) -> None:
        """A new key, published at once."""
        self.key = RSAKey.generate_key(2048, {"kid": f"k-{secrets.token_hex(4)}", "use": "sig"})

    async def discovery(self, _: Request) -> Response:
        pages = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        return JSONResponse({"issuer": self.issuer, **{name: f"{self.issuer}/{page}" for name, page in pages.items()}})

    async def keys(self, _: Request) -> Response:
        return JSONResponse(KeySet([self.published or self.key]).as_dict(private=False))

    async def authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        code = secrets.token_urlsafe(12)
        self.codes[code] = asked
        answer = urlencode({"code": code, "state": asked["state"]})
        return RedirectResponse(f"{asked['redirect_uri']}?{answer}", 303)

    async def token(self, request: Request) -> Response:
        form = dict((await request.form()).items())
        asked = self.codes.pop(str(form.get("code")), None)
        digest = hashlib.sha256(str(form.get("code_verifier", "")).encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or asked["code_challenge_method"] != "S256" or asked["code_challenge"] != challenge:
            return JSONResponse({"error": "invalid_grant"}, 400)
        given = {"access_token": "at", "token_type": "Bearer"}
        more = {} if self.without_id_token else {"id_token": self.id_token(asked["nonce"])}
        return JSONResponse({**given, **more})


@contextmanager
def provider(clock: Clock) -> Iterator[Provider]:
    """Serve until the block ends."""
    double = Provider(clock)
    routes = [
        Route("/.well-known/openid-configuration", double.discovery),
        Route("/keys", double.keys),
        Route("/authorize", double.authorize),
        Route("/token", double.token, methods=["POST"]),
    ]
    with on_loopback(Starlette(routes=routes)) as url:
        double.issuer = url
        yield double
