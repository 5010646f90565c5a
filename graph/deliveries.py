"""From deliveries to incidents: stored first, then normalised, grouped, and opened where nothing open fits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from traceback import format_exc
from typing import Protocol

import structlog

from domain.alert import Alert, Change
from domain.clock import Clock
from domain.errors import IntakeError
from domain.incident import Incident, IncidentStatus
from domain.inventory import Inventory
from domain.redaction import redact
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
        """Store a delivery and return its id. Normalising is pure and quick; it refuses the malformed before anything is stored."""
        kept = {k.lower(): v for k, v in headers.items() if k.lower() not in _SECRET_HEADERS}
        delivery = Delivery(id=new_id("dlv"), source=source, headers=kept, body=body, received_at=self._clock.now())
        self._normalise(delivery)
        await self._records.inbox.store_delivery(delivery)
        self._arrived.set()
        return delivery.id

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
        except IntakeError as error:
            await self._records.inbox.finish_delivery(delivery.id, [self._malformed(delivery, error.message)])
            return
        changes = [one for change in found.changes for one in resolve_change(change, self._inventory)]
        await self._records.inbox.note_changes(changes)
        receipts = [self._change_receipt(delivery, change) for change in changes]
        for alert in found.alerts:
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
