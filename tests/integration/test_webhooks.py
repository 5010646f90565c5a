"""Outgoing webhooks to a real receiver: signed, tried again, dead at last, sent again by a person."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from domain.clock import ManualClock, SystemClock
from domain.errors import ConfigError, ConflictError, NotFoundError
from domain.events import Event, Integration
from domain.guard import LedgerEntry
from domain.inventory import Inventory, Service, Webhook
from governance.ledger.memory import MemoryLedger
from governance.ledger.port import Draft
from graph.outgoing.courier import Courier
from graph.outgoing.http import allowed, checked_url, send
from graph.outgoing.sqlite import Outbox
from graph.outgoing.subscription import ATTEMPTS, DeliveryState, wait_s
from graph.outgoing.tail import LedgerTail, stop
from graph.records.opening import open_records
from tests.fakes.receiver import Receiver, receiving

pytestmark = pytest.mark.integration
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(SECRET) as found:
        yield found


class Sending:
    """A courier over real stores, with one webhook."""

    def __init__(self, home: Path, receiver: Receiver, **webhook: Any) -> None:
        given = {"name": "pager", "url": receiver.url, "secret_env": "PAGER", "private": True, **webhook}
        self.inventory = Inventory(services=[Service(name="api", kind="api")], webhooks=[Webhook(**given)])
        self.clock = ManualClock(SystemClock().now())
        self.records = open_records(home / "incidents.db")
        self.outbox = Outbox(home / "webhooks.db")
        self.courier = Courier(self.inventory, self.records.events, self.outbox, {"PAGER": SECRET}, self.clock)

    async def happen(self, *types: str) -> None:
        events = [Event(id="?", type=f"dev.firebreak.{t}", subject="inc-1", time=self.clock.now()) for t in types]
        await self.records.events.observed(events, "test", None)

    async def state(self) -> DeliveryState:
        return (await self.outbox.deliveries())[0].state

    def close(self) -> None:
        self.records.close()
        self.outbox.close()


@pytest.fixture
def sending(tmp_path: Path, receiver: Receiver) -> Iterator[Sending]:
    made = Sending(tmp_path, receiver)
    yield made
    made.close()


async def test_events_arrive_signed_and_once(sending: Sending, receiver: Receiver) -> None:
    """Only what happens after the webhook exists is told, as CloudEvents whose signature the library accepts."""
    await sending.happen("incident.opened")
    await sending.courier.round()
    await sending.happen("plan_created", "approval_required")
    for _ in range(3):
        await sending.courier.round()
    assert receiver.refused == []
    told = {e["id"]: e["type"] for e in receiver.received}
    assert told == {"2": "dev.firebreak.plan_created", "3": "dev.firebreak.approval_required"}
    assert receiver.received[0]["specversion"] == "1.0"
    [row] = await sending.courier.subscriptions()
    assert (row.ready, row.delivered, row.waiting, row.dead) == (True, 2, 0, 0)


async def test_a_filter_lets_through_what_was_asked_for(tmp_path: Path, receiver: Receiver) -> None:
    """Patterns are matched on the type that is sent."""
    sending = Sending(tmp_path, receiver, events=["dev.cdevents.incident.*", "*_required"])
    await sending.courier.round()
    await sending.happen("incident.opened", "plan_created", "approval_required", "incident.changed")
    await sending.courier.round()
    types = {e["type"] for e in receiver.received}
    assert types == {"dev.cdevents.incident.detected.0.2.0", "dev.firebreak.approval_required"}
    sending.close()


async def test_what_does_not_arrive_is_tried_again_later(sending: Sending, receiver: Receiver) -> None:
    """The same message id each time, with a wait between; a redirect is not followed."""
    receiver.answers = [500, 307]
    await sending.courier.round()
    await sending.happen("plan_created")
    assert await sending.courier.round() == 1
    assert await sending.courier.round() == 0
    for _ in range(2):
        sending.clock.advance(60)
        assert await sending.courier.round() == 1
    assert await sending.state() is DeliveryState.DELIVERED
    assert len(receiver.ids) == 3
    assert len(set(receiver.ids)) == 1


async def test_a_dead_letter_is_kept_and_sent_again(sending: Sending, receiver: Receiver) -> None:
    """After the last try it is dead; a person sends it again, and it arrives."""
    await sending.courier.round()
    await sending.happen("plan_created")
    receiver.answers = [503] * ATTEMPTS
    for _ in range(ATTEMPTS):
        assert await sending.courier.round() == 1
        [waiting] = await sending.outbox.deliveries()
        await sending.outbox.save(waiting.model_copy(update={"next_at": sending.clock.now()}))
    [dead] = await sending.courier.deliveries(state=DeliveryState.DEAD)
    assert (dead.attempts, dead.answer) == (ATTEMPTS, "HTTP 503")
    again = await sending.courier.redeliver(dead.id)
    assert again.state is DeliveryState.DELIVERED
    with pytest.raises(NotFoundError):
        await sending.courier.redeliver(999)


async def test_gone_is_not_tried_again_and_waiting_is_not_sent_twice(sending: Sending, receiver: Receiver) -> None:
    """410 ends it at once; what is on its way cannot be sent again."""
    await sending.courier.round()
    receiver.answers = [410, 500]
    await sending.happen("plan_created")
    await sending.courier.round()
    assert await sending.state() is DeliveryState.DEAD
    test = await sending.courier.test("pager")
    assert test.state is DeliveryState.WAITING
    with pytest.raises(ConflictError):
        await sending.courier.redeliver(test.id)
    with pytest.raises(NotFoundError):
        await sending.courier.test("nobody")


async def test_a_slow_receiver_holds_nothing_up(tmp_path: Path, receiver: Receiver) -> None:
    """While a receiver keeps its answer, events are still stored, and the courier stops when it is told to."""
    import threading

    receiver.delay = threading.Event()
    sending = Sending(tmp_path, receiver)
    await sending.courier.round()
    await sending.happen("plan_created")
    carrying = asyncio.create_task(sending.courier.carry_forever())
    async with asyncio.timeout(5):
        await asyncio.sleep(0.1)
        await sending.happen("execution_started", "execution_complete")
    receiver.delay.set()
    await stop(carrying)
    assert await sending.records.events.newest_event() == 3
    sending.close()


async def test_what_cannot_be_signed_or_sent_says_so(tmp_path: Path, receiver: Receiver) -> None:
    """No secret, a webhook that left the inventory, a name that does not exist, a port nobody listens on."""
    sending = Sending(tmp_path, receiver, secret_env="UNSET")
    [row] = await sending.courier.subscriptions()
    assert not row.ready
    assert "UNSET=whsec_" in row.problem
    assert "UNSET" in (await sending.courier.test("pager")).answer
    await sending.outbox.add("left", sending.courier.envelope(_event()), sending.clock.now())
    await sending.courier.round()
    assert "no longer" in (await sending.outbox.deliveries())[0].answer
    for url in ("http://nothing.invalid/", "http://127.0.0.1:1/"):
        hook = Webhook(name="x", url=url, secret_env="X", private=True)
        answer = await send(hook, SECRET, "msg_1", "{}", SystemClock().now())
        assert (answer.status, answer.arrived) == (None, False)
    sending.close()


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1", "224.0.0.1"]
)
def test_addresses_inside_are_refused(address: str) -> None:
    """One inner address among public ones is enough; `private: true` is the operator's word that it is meant."""
    hook = Webhook(name="x", url="https://hooks.example/", secret_env="X")
    with pytest.raises(ConfigError, match="leads inside"):
        allowed([ip_address("93.184.216.34"), ip_address(address)], hook)
    assert allowed([ip_address("93.184.216.34")], hook) == ip_address("93.184.216.34")
    assert allowed([ip_address(address)], hook.model_copy(update={"private": True})) == ip_address(address)


@pytest.mark.parametrize(
    "url", ["http://hooks.example/", "ftp://x/", "https://u:p@hooks.example/", "https:///x", "nonsense"]
)
def test_only_https_without_credentials_is_sent_to(url: str) -> None:
    """Anything else is refused before a name is resolved."""
    with pytest.raises(ConfigError):
        checked_url(Webhook(name="x", url=url, secret_env="X"))


def test_waits_double_and_are_spread() -> None:
    """Between half and all of 5, 10, 20 … seconds, never more than an hour."""
    assert [wait_s(n, 0.0) for n in (1, 2, 3, 20)] == [2.5, 5.0, 10.0, 1800.0]
    assert wait_s(20, 0.999) < 3600


class Entries:
    """Reads a ledger in memory."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger

    async def ledger(self, *, after: int = -1, limit: int = 200, change: str | None = None) -> list[LedgerEntry]:
        return self._ledger.entries(after=after, limit=limit, change=change)


async def test_the_ledger_is_followed_without_gaps_and_repeats(tmp_path: Path) -> None:
    """A tail that starts again goes on after the last entry that it told."""
    ledger, records, clock = MemoryLedger(), open_records(tmp_path / "incidents.db"), ManualClock()

    async def tell(events: Any, seq: int | None) -> None:
        await records.events.observed(events, "ledger", seq)

    def tail() -> LedgerTail:
        return LedgerTail(Entries(ledger), tell, lambda: records.events.followed("ledger"), clock)

    for start in (0, 250):
        with ledger.transaction() as tx:
            for n in range(start, start + 250):
                tx.append(Draft(kind="intent" if n % 2 else "read_back", actor="agent", change=f"inc-{n}"))
        following = tail()
        while await following.look():
            pass
    told = [e for e in await records.events.events(limit=1000) if e.type == Integration.EXECUTION_STARTED.type]
    assert [e.subject for e in told] == [f"inc-{n}" for n in range(500) if n % 2]
    running = asyncio.create_task(tail().follow_forever())
    async with asyncio.timeout(5):
        while not [e for e in await records.events.events(after=250) if e.type == Integration.HEARTBEAT.type]:
            await asyncio.sleep(0.01)
    await stop(running)
    records.close()


def _event() -> Event:
    return Event(id="1", type="dev.firebreak.plan_created", subject="inc-1", time=SystemClock().now())
