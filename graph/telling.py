"""Everything that becomes known about an incident: written down first, then told to whoever listens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from domain.alert import Alert
from domain.clock import Clock
from domain.events import Event
from domain.incident import Incident, TimelineEntry
from graph.bus import EventBus
from graph.face import Receipt
from graph.records.opening import Records

LEDGER = "ledger"


class Telling:
    """The records and the bus behind one door, so that nothing is told that is not kept."""

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self._bus = EventBus()

    async def opened(
        self, incident: Incident, alerts: Sequence[tuple[Alert, str]], receipts: Sequence[Receipt]
    ) -> None:
        """A new incident with its alerts and what became of their deliveries."""
        self._bus.publish(await self._records.incidents.open(incident, alerts, receipts))

    async def saved(self, incident: Incident) -> None:
        """The newest state of a run."""
        self._bus.publish(await self._records.incidents.save(incident))

    async def remarked(self, incident_id: str, event: str, text: str, **data: Any) -> None:
        """One fact on the timeline from outside the run."""
        entry = TimelineEntry(at=self._clock.now(), event=event, text=text, data=data)
        self._bus.publish(await self._records.incidents.remark(incident_id, entry))

    async def observed(self, events: Sequence[Event], seq: int | None) -> None:
        """What the ledger's newest entries, up to `seq`, say to other systems."""
        self._bus.publish(await self._records.events.observed(events, LEDGER, seq))

    async def followed(self) -> int:
        """The last ledger entry that was told."""
        return await self._records.events.followed(LEDGER)

    def subscribe(self, incident_id: str | None) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """All events from now on, or one incident's."""
        return self._bus.subscribe(incident_id)
