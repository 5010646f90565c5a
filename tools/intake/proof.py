"""Signatures over the raw bytes of a delivery. Constant time; several secrets are valid at once (rotation). Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping

from domain.alert import Signature

TOLERANCE_S = 300.0
UNPROVEN = Signature(scheme="none", verified=False)


def standard_webhooks(
    headers: Mapping[str, str], body: bytes, secrets: Iterable[str], *, now: float, tolerance_s: float = TOLERANCE_S
) -> Signature:
    """Check `webhook-id`, `webhook-timestamp` and `webhook-signature` (https://www.standardwebhooks.com).

    `secrets` are `whsec_…` or plain base64; `now` is epoch seconds. Never raises: what does not hold is not verified.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    scheme = Signature(scheme="standard-webhooks", verified=False)
    identity, stamp = lowered.get("webhook-id", ""), lowered.get("webhook-timestamp", "")
    if not identity or not _fresh(stamp, now, tolerance_s):
        return scheme
    signed = f"{identity}.{stamp}.".encode("utf-8", "surrogateescape") + body
    given = [part[3:] for part in lowered.get("webhook-signature", "").split() if part.startswith("v1,")]
    expected = [_mac(key, signed) for key in map(_key, secrets) if key]
    holds = _any_equal([base64.b64encode(mac).decode() for mac in expected], given)
    return Signature(scheme="standard-webhooks", verified=holds)


def hmac_sha256(given: str, body: bytes, secrets: Iterable[str], *, prefix: str = "") -> Signature:
    """Check a hexadecimal HMAC of the body; `given` may list several, comma-separated, each with `prefix` (`v1=`, `sha256=`)."""
    parts = [part.strip() for part in given.split(",")]
    texts = [part.removeprefix(prefix).lower() for part in parts if part.startswith(prefix)]
    expected = [_mac(secret.encode(), body).hex() for secret in secrets if secret]
    return Signature(scheme="hmac-sha256", verified=_any_equal(expected, texts))


def bearer(headers: Mapping[str, str], tokens: Iterable[str]) -> Signature:
    """Check `Authorization: Bearer …` against the valid tokens."""
    value = next((v for name, v in headers.items() if name.lower() == "authorization"), "")
    scheme, _, token = value.partition(" ")
    given = [token.strip()] if scheme.lower() == "bearer" and token.strip() else []
    return Signature(scheme="bearer", verified=_any_equal([t for t in tokens if t], given))


def _any_equal(expected: list[str], given: list[str]) -> bool:
    """Compare each with each, always all of them."""
    holds = False
    for one in expected:
        for other in given[:16]:
            holds |= hmac.compare_digest(one.encode(), other.encode("utf-8", "replace"))
    return holds


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _fresh(stamp: str, now: float, tolerance_s: float) -> bool:
    return stamp.isascii() and stamp.isdigit() and len(stamp) < 13 and abs(now - int(stamp)) <= tolerance_s
