"""From deliveries to incidents: stored first, then normalised, grouped, and opened where nothing open fits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from traceback import format_exc
from typing import Protocol

import structlog

from domain.alert import Alert, Change
from domain.clock import Clock
from domain.errors import IntakeError
from domain.incident import Incident, IncidentStatus
from domain.inventory import Inventory
from domain.redaction import names_secret, redact, redact_body, redact_json
from domain.value import new_id
from graph.face import Receipt
from graph.nodes.intake import service_of
from graph.quiet import Quiet
from graph.records.delivery import Delivery
from graph.records.opening import Records
from graph.telling import Telling
from tools.intake.normalise import resolve_change
from tools.intake.route import Route, group_of, route

log = structlog.get_logger(__name__)

LATE = timedelta(seconds=60)
"""An alert about something that began before an incident closed belongs to it for this long after; also the storm's window."""
APART = "x-firebreak-told-apart"
"""Our own word in a stored delivery's headers: how its alerts were told apart before secrets were taken out."""
_SECRET_HEADERS = ("authorization", "cookie", "webhook-signature", "x-api-key")


class Normalised(Protocol):
    """What the normaliser of a source returns."""

    @property
    def alerts(self) -> list[Alert]: ...

    @property
    def changes(self) -> list[Change]: ...


Normalise = Callable[[str, Mapping[str, str], bytes, datetime, str], Normalised]
"""(source, headers, body, received_at, delivery id); pure; raises IntakeError."""


class Deliveries:
    """Takes deliveries in, one after the other; `drive` is called with every incident that it opens."""

    def __init__(
        self,
        *,
        records: Records,
        telling: Telling,
        normalise: Normalise,
        inventory: Inventory,
        clock: Clock,
        drive: Callable[[str], None],
        quiet: Quiet,
    ) -> None:
        self._records = records
        self._quiet = quiet
        self._telling = telling
        self._normaliser = normalise
        self._inventory = inventory
        self._clock = clock
        self._drive = drive
        self._neighbours = neighbours(inventory)
        self._arrived = asyncio.Event()

    async def submit(self, source: str, headers: Mapping[str, str], body: bytes) -> str:
        """Store a delivery and return its id. Normalising is pure and quick; it refuses the malformed before anything is stored.

        Secrets that a sender wrote into it are stored nowhere: what is worked on later is the body without them.
        """
        headers = {k.lower(): v for k, v in headers.items() if k.lower() not in _SECRET_HEADERS and not names_secret(k)}
        delivery = Delivery(id=new_id("dlv"), source=source, headers=headers, body=body, received_at=self._clock.now())
        await self._records.inbox.store_delivery(self._without_secrets(delivery, self._normalise(delivery)))
        self._arrived.set()
        return delivery.id

    def _without_secrets(self, delivery: Delivery, found: Normalised) -> Delivery:
        """As it is kept. What tells its alerts apart goes with it: a label that was taken out may have been part of that."""
        headers = redact_json(delivery.headers) | {APART: json.dumps([told_apart(alert) for alert in found.alerts])}
        return delivery.model_copy(update={"headers": headers, "body": redact_body(delivery.body)})

    def _normalise(self, delivery: Delivery) -> Normalised:
        return self._normaliser(delivery.source, delivery.headers, delivery.body, delivery.received_at, delivery.id)

    async def take_in_forever(self) -> None:
        """Whatever waits, then whatever comes. One that cannot be taken in leaves a receipt and stops nothing."""
        self._arrived.set()
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            for delivery in await self._records.inbox.waiting_deliveries():
                try:
                    await self._take_in(delivery)
                except Exception:
                    log.error("delivery.failed", delivery=delivery.id, trace=format_exc(limit=-3))
                    await self._records.inbox.finish_delivery(
                        delivery.id, [self._malformed(delivery, "it could not be taken in")]
                    )

    async def _take_in(self, delivery: Delivery) -> None:
        try:
            found = self._normalise(delivery)
            alerts = as_told_apart(found.alerts, delivery.headers.get(APART, ""))
        except IntakeError as error:
            await self._records.inbox.finish_delivery(delivery.id, [self._malformed(delivery, error.message)])
            return
        changes = [one for change in found.changes for one in resolve_change(change, self._inventory)]
        await self._records.inbox.note_changes(changes)
        receipts = [self._change_receipt(delivery, change) for change in changes]
        for alert in alerts:
            receipt = await self._group(alert)
            if receipt is not None:
                receipts.append(receipt)
        await self._records.inbox.finish_delivery(delivery.id, receipts)

    async def _group(self, alert: Alert) -> Receipt | None:
        now = self._clock.now()
        service = service_of([alert], self._inventory)
        alert = alert.model_copy(update={"service": service})
        way = route(
            alert,
            await self._records.incidents.related(alert, LATE),
            now=now,
            neighbours=self._neighbours,
            opened_lately=await self._records.incidents.opened_since(now - LATE),
            quiet=await self._quiet(alert),
        )
        if way.rule == "opened":
            await self._open(alert, service, way, now)
            return None
        if way.incident is not None:
            await self._records.incidents.join(way.incident, alert, service)
            if way.rule != "duplicate":
                said = redact(f"{alert.title}: {alert.summary}" if alert.summary else alert.title)
                why = "joins this incident" if way.rule == "grouped" else way.text
                await self._telling.remarked(way.incident, f"alert.{way.rule}", f"{alert.source}: {said} ({why})")
        return _receipt(alert, way, way.incident, now)

    async def _open(self, alert: Alert, service: str, way: Route, now: datetime) -> Incident:
        incident_id = new_id("inc")
        incident = Incident(
            id=incident_id,
            thread_id=incident_id,
            run_id=new_id("run"),
            title=alert.title,
            status=IncidentStatus.OPEN,
            severity=alert.severity,
            opened_at=now,
            service=service,
            group_key=group_of(alert),
            alerts=[alert],
        )
        receipts = [_receipt(alert, way, incident_id, now)]
        await self._telling.opened(incident, [(alert, service)], receipts)
        self._drive(incident_id)
        return incident

    def _malformed(self, delivery: Delivery, text: str) -> Receipt:
        now = self._clock.now()
        return Receipt(delivery_id=delivery.id, identity="", episode_id="", rule="malformed", text=text, at=now)

    def _change_receipt(self, delivery: Delivery, change: Change) -> Receipt:
        now = self._clock.now()
        text = f"{change.kind} of {change.service or 'the system'} noted"
        return Receipt(delivery_id=delivery.id, identity=change.id, episode_id="", rule="change", text=text, at=now)


def told_apart(alert: Alert) -> list[str]:
    """Identity, episode and group: what an alert is told apart and grouped by. A digest where it reads like a secret itself."""
    words = (alert.identity, alert.episode_id, alert.group_key)
    return [word if redact(word) == word else f"sha256:{sha256(word.encode()).hexdigest()}" for word in words]


def as_told_apart(alerts: Sequence[Alert], kept: str) -> list[Alert]:
    """The alerts of a stored delivery, told apart as they were when it came; as they are when that was not kept."""
    rows: list[list[str]] = json.loads(kept) if kept else []
    if len(rows) != len(alerts):
        return list(alerts)
    names = ("identity", "episode_id", "group_key")
    return [a.model_copy(update=dict(zip(names, row, strict=True))) for a, row in zip(alerts, rows, strict=True)]


def neighbours(inventory: Inventory) -> dict[str, frozenset[str]]:
    """Service → everything that it reaches or that reaches it."""
    reached_by = {name: set(inventory.dependants(name)) for name in inventory.names()}
    return {
        name: frozenset(reached_by[name] | {other for other in reached_by if name in reached_by[other]})
        for name in reached_by
    }


def _receipt(alert: Alert, way: Route, incident: str | None, now: datetime) -> Receipt:
    return Receipt(
        delivery_id=alert.delivery_id,
        identity=alert.identity,
        episode_id=alert.episode_id,
        rule=way.rule,
        incident=incident,
        text=way.text,
        at=now,
    )
