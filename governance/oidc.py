"""What an OpenID provider says about who somebody is: its ID token, verified against the keys that it publishes.

The action server verifies by itself, so that the app cannot make up a person. OpenID Connect Core 1.0, section 3.1.3.7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from domain.clock import Clock
from domain.errors import AuthError, UpstreamError

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
"""Signatures with a provider's private key only: never `none`, never a shared secret."""
LEEWAY_S = 30
_TIMEOUT_S = 5.0
_UNFIT = (JoseError, ValueError)
"""What a token that does not hold makes the library raise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One OpenID provider."""

    issuer: str
    client_id: str
    claim: str = "preferred_username"
    """Which claim is the name in the inventory's `people`."""


class OidcVerifier:
    """Reads discovery and keys when they are needed, and the keys once more when a signature's key is unknown."""

    def __init__(self, provider: Provider, clock: Clock, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.provider = provider
        self._clock = clock
        self._transport = transport
        self._keys: KeySet | None = None

    async def name_of(self, id_token: str, nonce: str) -> str:
        """The person's name. Raises AuthError for a token that does not hold, UpstreamError when the provider is silent."""
        fresh = self._keys is None
        keys = self._keys or await self._read_keys()
        try:
            claims = self._claims(id_token, nonce, keys)
        except _UNFIT as error:
            if fresh:
                raise _refused(error) from error
            try:
                claims = self._claims(id_token, nonce, await self._read_keys())
            except _UNFIT as again:
                raise _refused(again) from again
        return self._name(claims)

    def _claims(self, id_token: str, nonce: str, keys: KeySet) -> dict[str, Any]:
        provider, now = self.provider, int(self._clock.now().timestamp())
        claims = jwt.decode(id_token, keys, algorithms=ALGORITHMS).claims
        registry = jwt.JWTClaimsRegistry(
            now=now,
            leeway=LEEWAY_S,
            iss={"essential": True, "value": provider.issuer},
            aud={"essential": True, "value": provider.client_id},
            nonce={"essential": True, "value": nonce},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
        )
        registry.validate(claims)
        return dict(claims)

    def _name(self, claims: dict[str, Any]) -> str:
        name = claims.get(self.provider.claim)
        if not isinstance(name, str) or not name:
            raise AuthError(
                "the provider does not say who this is",
                expected=f"a claim {self.provider.claim!r}",
                found="none",
                code="auth.oidc",
            )
        return name

    async def _read_keys(self) -> KeySet:
        async with httpx.AsyncClient(transport=self._transport, timeout=_TIMEOUT_S) as client:
            try:
                place = f"{self.provider.issuer.rstrip('/')}/.well-known/openid-configuration"
                found = (await client.get(place)).raise_for_status().json()
                if found.get("issuer") != self.provider.issuer:
                    raise AuthError(
                        "the provider calls itself something else",
                        expected=self.provider.issuer,
                        found=str(found.get("issuer"))[:200],
                        code="auth.oidc",
                    )
                document = (await client.get(found["jwks_uri"])).raise_for_status().json()
                self._keys = KeySet.import_key_set(document)
            except (httpx.HTTPError, KeyError, ValueError) as error:
                raise UpstreamError(
                    "the OpenID provider does not answer as one",
                    expected=f"discovery and keys of {self.provider.issuer}",
                    found=f"{type(error).__name__}: {error}"[:200],
                ) from error
        return self._keys


def _refused(error: Exception) -> AuthError:
    return AuthError(
        "the ID token does not hold",
        expected="one that this provider signed for us, just now, for this sign-in",
        found=f"{type(error).__name__}: {error}"[:200],
        hint="sign in again",
        code="auth.oidc",
    )
