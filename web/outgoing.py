"""What leaves the house, for machines: events as CloudEvents, and the webhooks with their deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic.json_schema import SkipJsonSchema

from domain.errors import NotFoundError
from domain.value import Value
from graph.outgoing.subscription import Delivery, DeliveryState, SubscriptionRow
from web.ports import Outgoing, Ports


class EventPage(Value):
    """Some events, ascending; `next` is what to pass as `after`."""

    schema_version: str = "1"
    events: Sequence[dict[str, Any]]
    next: int


class Webhooks(Value):
    """The webhooks of the inventory."""

    schema_version: str = "1"
    webhooks: Sequence[SubscriptionRow]


class Deliveries(Value):
    """Deliveries, newest first."""

    schema_version: str = "1"
    deliveries: Sequence[Delivery]


def build(ports: Ports) -> APIRouter:
    """JSON endpoints."""
    router = APIRouter(tags=["events"])

    @router.get("/api/cloudevents", summary="Stored events as CloudEvents 1.0, ascending")
    async def events(
        after: Annotated[int, Query(ge=-1, lt=2**53)] = 0,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> EventPage:
        """`after=-1` returns no event, only where the newest one is."""
        outgoing = _there(ports)
        if after < 0:
            return EventPage(events=[], next=await outgoing.newest())
        found = await outgoing.tail(after=after, limit=limit)
        return EventPage(events=found, next=int(found[-1]["id"]) if found else after)

    @router.get("/api/webhooks", summary="The webhooks of the inventory")
    async def webhooks() -> Webhooks:
        return Webhooks(webhooks=await _there(ports).subscriptions())

    @router.post("/api/webhooks/{name}/test", summary="Send one test event to a webhook")
    async def test(name: Annotated[str, Path(max_length=40)]) -> Delivery:
        return await _there(ports).test(name)

    @router.get("/api/webhook-deliveries", summary="Deliveries, newest first; state=dead are the dead letters")
    async def deliveries(
        state: DeliveryState | SkipJsonSchema[None] = None, limit: Annotated[int, Query(ge=1, le=500)] = 100
    ) -> Deliveries:
        return Deliveries(deliveries=await _there(ports).deliveries(state=state, limit=limit))

    @router.post("/api/webhook-deliveries/{delivery_id}/redeliver", summary="Try a delivery again")
    async def redeliver(delivery_id: Annotated[int, Path(ge=1, lt=2**53)]) -> Delivery:
        return await _there(ports).redeliver(delivery_id)

    return router


def _there(ports: Ports) -> Outgoing:
    if ports.outgoing is None:
        raise NotFoundError("this installation sends nothing", expected="an app over its own records")
    return ports.outgoing
