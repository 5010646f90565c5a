"""How a delivery proves where it comes from: a bearer token, or a Standard Webhooks signature over the raw bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from domain.alert import Signature
from domain.errors import AuthError
from tools.intake.change import SOURCE as CHANGE
from tools.intake.github import SOURCE as GITHUB
from tools.intake.normalise import PROOF_HEADER
from tools.intake.proof import hmac_sha256, standard_webhooks
from web.keyring import Keyring, bearer

_DROPPED = frozenset(
    {"authorization", "cookie", "proxy-authorization", "webhook-signature", "x-hub-signature-256", PROOF_HEADER}
)


def prove(
    headers: Mapping[str, str], body: bytes, keyring: Keyring, secrets: Sequence[str], now: float, *, source: str
) -> Signature:
    """The proof that holds; `now` is epoch seconds. Raises AuthError when none does.

    GitHub's signature carries no time, so it may be sent again: it proves changes, which are known by their ids, and hints
    about pull requests, which are only reasons to look.
    """
    token = bearer(headers.get("authorization", ""))
    if token and keyring.may_send_alerts(token):
        return Signature(scheme="bearer", verified=True)
    signature = standard_webhooks(headers, body, secrets, now=now)
    if signature.verified:
        return signature
    if source in (CHANGE, GITHUB) and (given := headers.get("x-hub-signature-256", "")):
        signature = hmac_sha256(given, body, secrets, prefix="sha256=")
        if signature.verified:
            return signature
    signed = "webhook-signature" in headers or "x-hub-signature-256" in headers
    raise AuthError(
        "This delivery does not prove where it comes from.",
        expected="Authorization: Bearer <intake token>, or a Standard Webhooks signature not older than 5 minutes,"
        " or to change and github a GitHub signature",
        found="a signature that does not hold" if signed else "a token that is not valid" if token else "neither",
        hint="The token is in secrets/intake.token of the home; webhook secrets are FIREBREAK_INTAKE_SECRETS.",
        code="auth.unproven_sender",
    )


def kept_headers(headers: Mapping[str, str], proof: Signature) -> dict[str, str]:
    """What is stored with a delivery: no credential, and our word about the proof."""
    kept = {k.lower(): v for k, v in headers.items() if k.lower() not in _DROPPED}
    return {**kept, PROOF_HEADER: proof.scheme}
