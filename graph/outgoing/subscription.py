"""Who is told what, and when it is tried again. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from domain.errors import ConfigError
from domain.inventory import Webhook
from domain.value import UtcTime, Value

ATTEMPTS = 10
"""Tries of one delivery, about four hours in all; then it is a dead letter."""
FIRST_S, MOST_S = 5.0, 3600.0
"""Seconds before the second try, and the longest wait between two."""
GONE = 410
"""The receiver wants nothing more of this kind: not tried again (Standard Webhooks)."""


class DeliveryState(StrEnum):
    """How far a delivery came."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


class Delivery(Value):
    """One event on its way to one webhook."""

    id: int
    webhook: str
    event: str
    """Type of the event."""
    subject: str
    state: DeliveryState
    attempts: int
    created_at: UtcTime
    next_at: UtcTime
    """When it is tried next, or was tried last."""
    answer: str = ""
    """What the last try came to."""


class SubscriptionRow(Value):
    """A webhook of the inventory as it stands."""

    name: str
    url: str
    events: list[str]
    ready: bool
    problem: str = ""
    waiting: int = 0
    delivered: int = 0
    dead: int = 0


def wants(webhook: Webhook, type_: str) -> bool:
    """Whether a webhook asked for a type; `*` matches within and across dots."""
    return any(fnmatchcase(type_, pattern) for pattern in webhook.events)


def secret_of(webhook: Webhook, env: Mapping[str, str]) -> str:
    """The Standard Webhooks secret (`whsec_…`) it refers to. Raises ConfigError."""
    secret = env.get(webhook.secret_env, "")
    if not secret.startswith("whsec_") or len(secret) < 30:
        raise ConfigError(
            f"webhook {webhook.name} cannot be signed",
            expected=f"{webhook.secret_env}=whsec_… with at least 24 base64 characters",
            found="nothing" if not secret else "something else",
            hint="make one: python -c \"import base64,os; print('whsec_'+base64.b64encode(os.urandom(32)).decode())\"",
        )
    return secret


def wait_s(attempts: int, luck: float) -> float:
    """Seconds until the next try after `attempts` failed ones: doubled each time; `luck` in [0, 1) spreads its upper half."""
    full = min(FIRST_S * 2.0 ** (attempts - 1), MOST_S)
    return full / 2 + luck * full / 2


def after_failure(delivery: Delivery, status: int | None, answer: str, now: datetime, luck: float) -> Delivery:
    """The delivery after a try that did not arrive."""
    attempts = delivery.attempts + 1
    dead = attempts >= ATTEMPTS or status == GONE
    update: dict[str, Any] = {
        "attempts": attempts,
        "answer": answer[:300],
        "state": DeliveryState.DEAD if dead else DeliveryState.WAITING,
        "next_at": now if dead else now + timedelta(seconds=wait_s(attempts, luck)),
    }
    return delivery.model_copy(update=update)
