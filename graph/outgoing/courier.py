"""Carries events to webhooks, beside everything else: a receiver that is slow or gone never holds an incident up."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import structlog

from domain.cdevents import envelope
from domain.clock import Clock
from domain.errors import ConfigError, NotFoundError
from domain.events import PREFIX, Event
from domain.inventory import Inventory, Webhook
from domain.value import new_id
from graph.outgoing.http import Answer, checked_url, send
from graph.outgoing.sqlite import Outbox
from graph.outgoing.subscription import (
    Delivery,
    DeliveryState,
    SubscriptionRow,
    after_failure,
    secret_of,
    wants,
)

EVERY_S = 0.5
_PAGE = 200
log = structlog.get_logger(__name__)


class Stored(Protocol):
    """The events of this home, numbered."""

    async def events(self, *, after: int = 0, subject: str | None = None, limit: int = 500) -> list[Event]:
        """With a higher sequence number (their id), ascending."""
        ...

    async def newest_event(self) -> int:
        """The highest sequence number; 0 when there is none."""
        ...


class Courier:
    """Takes events off the records for each webhook, and tries until they arrived or are dead letters."""

    def __init__(
        self, inventory: Inventory, events: Stored, outbox: Outbox, env: Mapping[str, str], clock: Clock
    ) -> None:
        self._webhooks = {webhook.name: webhook for webhook in inventory.webhooks}
        self._source = f"/firebreak/{inventory.system}"
        self._events = events
        self._outbox = outbox
        self._env = env
        self._clock = clock
        self._luck: Callable[[], float] = random.random

    async def carry_forever(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.round()
            except Exception as error:
                log.warning("webhooks.round_failed", error=type(error).__name__)
            await self._clock.sleep(EVERY_S)

    async def round(self) -> int:
        """Take what is new and try what is due; the number of tries."""
        for webhook in self._webhooks.values():
            await self._take(webhook)
        due = await self._outbox.due(self._clock.now())
        await asyncio.gather(*[self._try(delivery, body) for delivery, body in due])
        return len(due)

    async def _take(self, webhook: Webhook) -> None:
        """A webhook that is new begins with what happens next."""
        seen = await self._outbox.cursor(webhook.name)
        if seen is None:
            await self._outbox.take(webhook.name, await self._events.newest_event(), [], self._clock.now())
            return
        page = await self._events.events(after=seen, limit=_PAGE)
        if page:
            told = [self.envelope(event) for event in page]
            wanted = [found for found in told if wants(webhook, found["type"])]
            await self._outbox.take(webhook.name, int(page[-1].id), wanted, self._clock.now())

    def envelope(self, event: Event) -> dict[str, Any]:
        """The event as it leaves the house."""
        return envelope(event, self._source)

    async def _try(self, delivery: Delivery, body: str) -> None:
        answer = await self._answer(delivery, body)
        now = self._clock.now()
        if answer.arrived:
            done = {"state": DeliveryState.DELIVERED, "attempts": delivery.attempts + 1, "next_at": now}
            await self._outbox.save(delivery.model_copy(update={**done, "answer": answer.text}))
            return
        failed = after_failure(delivery, answer.status, answer.text, now, self._luck())
        log.info("webhook.failed", webhook=delivery.webhook, delivery=delivery.id, state=failed.state.value)
        await self._outbox.save(failed)

    async def _answer(self, delivery: Delivery, body: str) -> Answer:
        webhook = self._webhooks.get(delivery.webhook)
        if webhook is None:
            return Answer(status=None, text="the inventory no longer has this webhook")
        try:
            secret = secret_of(webhook, self._env)
        except ConfigError as error:
            return Answer(status=None, text="; ".join(error.lines()))
        return await send(webhook, secret, f"msg_{delivery.id}", body, self._clock.now())

    async def subscriptions(self) -> list[SubscriptionRow]:
        """Every webhook of the inventory with what became of its deliveries."""
        counts = await self._outbox.counts()
        return [self._row(webhook, counts) for webhook in self._webhooks.values()]

    def _row(self, webhook: Webhook, counts: Mapping[tuple[str, str], int]) -> SubscriptionRow:
        problem = ""
        try:
            checked_url(webhook)
            secret_of(webhook, self._env)
        except ConfigError as error:
            problem = "; ".join(error.lines())
        numbers = {state.value: counts.get((webhook.name, state.value), 0) for state in DeliveryState}
        return SubscriptionRow.model_validate(
            {
                "name": webhook.name,
                "url": webhook.url,
                "events": webhook.events,
                "ready": not problem,
                "problem": problem,
                **numbers,
            }
        )

    async def deliveries(self, *, state: DeliveryState | None = None, limit: int = 100) -> Sequence[Delivery]:
        """Newest first."""
        return await self._outbox.deliveries(state=state, limit=limit)

    async def test(self, name: str) -> Delivery:
        """Send one event of type `dev.firebreak.webhook.tested` now. Raises NotFoundError."""
        if name not in self._webhooks:
            raise NotFoundError(
                f"there is no webhook {name[:80]!r}",
                expected=", ".join(self._webhooks) or "a webhook under `webhooks:` in firebreak.yaml",
                found=name[:80],
            )
        now = self._clock.now()
        event = Event(id=new_id("evt"), type=f"{PREFIX}webhook.tested", subject=name, time=now)
        return await self._at_once(await self._outbox.add(name, self.envelope(event), now))

    async def redeliver(self, delivery_id: int) -> Delivery:
        """Try a delivery again now. Raises NotFoundError, ConflictError."""
        return await self._at_once(await self._outbox.redeliver(delivery_id, self._clock.now()))

    async def _at_once(self, delivery: Delivery) -> Delivery:
        await self.round()
        return await self._outbox.get(delivery.id)

    async def tail(self, *, after: int, limit: int) -> Sequence[dict[str, Any]]:
        """Stored events as CloudEvents, ascending; `id` is what to pass as `after`."""
        return [self.envelope(event) for event in await self._events.events(after=after, limit=limit)]

    async def newest(self) -> int:
        """Sequence number of the newest event."""
        return await self._events.newest_event()
