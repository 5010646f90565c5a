"""One delivery → alerts and changes. The only place that knows every source."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePath

from domain.alert import Alert, Change, Signature
from domain.errors import IntakeError
from domain.inventory import Inventory
from domain.value import Value
from tools.intake import alertmanager, change, fields, generic
from tools.intake.generic import GenericMapping

SOURCES: tuple[str, ...] = (alertmanager.SOURCE, generic.SOURCE, change.SOURCE)
PROOF_HEADER = "x-firebreak-proof"
"""Set by whoever verified the delivery (and stripped from what a sender writes): the scheme that held."""


class Normalised(Value):
    """What a delivery says."""

    source: str
    alerts: list[Alert] = []
    changes: list[Change] = []
    truncated: int = 0
    """Alerts that the sender left out of this delivery."""
    reason: str = ""
    """Why the sender notified (first, repeat, …), as it says itself; a repeat opens no new episode."""


def normalise(
    source: str,
    headers: Mapping[str, str],
    body: bytes,
    received_at: datetime,
    delivery_id: str,
    *,
    mapping: GenericMapping | None = None,
) -> Normalised:
    """Read a delivery of one of SOURCES. Pure: the same bytes give the same result.

    `mapping` is for the generic source. Raises IntakeError (expected and found) and nothing else.
    """
    if source not in SOURCES:
        raise IntakeError(
            f"there is no alert source {source[:60]!r}",
            expected=f"one of {', '.join(SOURCES)}",
            found=source[:60],
            hint="senders without a source of their own can use /intake/generic with a mapping file",
            code="intake.unknown_source",
        )
    signature = _signature(headers)
    parsed = fields.parse(body)
    try:
        if source == alertmanager.SOURCE:
            alerts, truncated, reason = alertmanager.read(
                parsed, received_at=received_at, delivery_id=delivery_id, signature=signature
            )
            return Normalised(source=source, alerts=alerts, truncated=truncated, reason=reason)
        if source == change.SOURCE:
            return Normalised(source=source, changes=change.read(parsed, received_at=received_at))
        alerts = generic.read(
            parsed, received_at=received_at, delivery_id=delivery_id, signature=signature, mapping=mapping
        )
        return Normalised(source=source, alerts=alerts)
    except (ValueError, OverflowError) as error:
        raise IntakeError(
            "the delivery holds a value that cannot be kept", expected="plain JSON values", found=str(error)[:200]
        ) from error


def _signature(headers: Mapping[str, str]) -> Signature:
    scheme = next((value for name, value in headers.items() if name.lower() == PROOF_HEADER), "none")
    return Signature(scheme=scheme, verified=scheme != "none")


def resolve_service(alert: Alert, inventory: Inventory) -> Alert:
    """The alert with the inventory's name for its service: by `alert_match`, else by name; unchanged when nothing fits."""
    for service in inventory.services:
        wanted = service.alert_match
        if wanted and all(alert.labels.get(name) == value for name, value in wanted.items()):
            return alert.model_copy(update={"service": service.name})
    named = inventory.service(alert.service.lower()) if alert.service else None
    return alert.model_copy(update={"service": named.name}) if named is not None else alert


def resolve_change(change: Change, inventory: Inventory) -> list[Change]:
    """The change with the inventory's name for its service: by name, else once for each service of the repository of that name.

    Unchanged when nothing fits.
    """
    named = inventory.service(change.service.lower()) if change.service else None
    if named is not None:
        return [change.model_copy(update={"service": named.name})]
    of_it = [s.name for s in inventory.services if change.service and _stem(s.repository) == change.service.lower()]
    return [change.model_copy(update={"service": n, "id": f"{change.id}:{n}"}) for n in of_it] or [change]


def _stem(repository: str) -> str:
    return PurePath(repository).name.removesuffix(".git").lower()
