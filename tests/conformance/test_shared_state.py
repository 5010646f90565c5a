"""One suite over every implementation of shared state: in this process, and a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from domain.clock import SystemClock
from domain.errors import ConfigError, LeaseLostError, StorageError, StorageUnavailableError
from governance.state import keys
from governance.state.keys import Key
from governance.state.memory import MemoryState
from governance.state.port import SharedState
from governance.state.redis import RedisState
from tests.fakes.redis_server import running_redis

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with running_redis() as url:
        yield url


@pytest.fixture(params=["memory", "redis"])
async def shared(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[SharedState]:
    state: Any = MemoryState(SystemClock()) if request.param == "memory" else RedisState(redis_url, SystemClock())
    yield state
    await state.aclose()


def fresh(name: str, ttl_s: float | None = None, keep: int = 200) -> Key:
    return Key(name=f"fb:test:{name}", ttl_s=ttl_s, keep=keep)


async def until_gone(state: SharedState, key: Key) -> None:
    """Ask until a short-lived value is gone."""
    async with asyncio.timeout(5):
        while await state.get(key) is not None:
            await asyncio.sleep(0)


@pytest.mark.parametrize("value", [{"a": [1, "é", None]}, [], "text", 0, False, {"nested": {"x": 1.5}}])
async def test_a_document_comes_back_as_it_was(shared: SharedState, value: Any) -> None:
    """Plain JSON round-trips, replaces what was there, and can be forgotten twice."""
    key = fresh("doc")
    await shared.put(key, "before")
    await shared.put(key, value)
    assert await shared.get(key) == value
    await shared.forget(key, fresh("never"))
    await shared.forget(key)
    assert await shared.get(key) is None


async def test_what_comes_back_is_nobody_elses(shared: SharedState) -> None:
    """Changing what was written or read changes nothing in the store."""
    key, doc = fresh("own"), {"rows": [1]}
    await shared.put(key, doc)
    doc["rows"].append(2)
    (await shared.get(key))["rows"].append(3)
    assert await shared.get(key) == {"rows": [1]}


async def test_values_end_with_their_life(shared: SharedState) -> None:
    """A document, a list and a set end; each write gives the life anew."""
    short = fresh("short", ttl_s=0.05)
    await shared.put(short, 1)
    await until_gone(shared, short)
    lists, sets = fresh("short-list", ttl_s=0.05), fresh("short-set", ttl_s=0.05)
    await shared.push(lists, 1)
    await shared.include(sets, "a")
    async with asyncio.timeout(5):
        while await shared.items(lists) or await shared.members(sets):
            await asyncio.sleep(0)
    await shared.push(lists, 2)
    assert await shared.items(lists) == [2]


async def test_lists_keep_their_newest(shared: SharedState) -> None:
    """In order, at most `keep`; an unknown list is empty."""
    key = fresh("list", keep=3)
    assert await shared.items(key) == []
    for n in range(5):
        await shared.push(key, {"n": n})
    assert [row["n"] for row in await shared.items(key)] == [2, 3, 4]


async def test_sets_hold_each_member_once(shared: SharedState) -> None:
    """Adding twice is adding once; an unknown set is empty."""
    key = fresh("set")
    assert await shared.members(key) == set()
    for name in ("a", "b", "a"):
        await shared.include(key, name)
    assert await shared.members(key) == {"a", "b"}


async def test_a_task_has_one_holder_at_a_time(shared: SharedState) -> None:
    """Another agent waits until it is given back; the tokens only grow."""
    first = await shared.acquire("inc-1", "one@inc-1")
    assert first is not None
    assert await shared.acquire("inc-1", "two@inc-1") is None
    assert await shared.holder("inc-1") == first
    assert (await shared.get(keys.lock("one@inc-1")))["token"] == first.token
    await shared.renew(first)
    await shared.release(first)
    assert await shared.holder("inc-1") is None
    second = await shared.acquire("inc-1", "two@inc-1")
    assert second is not None
    assert second.token > first.token
    await shared.release(first)
    assert await shared.holder("inc-1") == second


async def test_a_stale_holder_can_neither_renew_nor_release(shared: SharedState) -> None:
    """The same agent's newer runner took over; the older one learns it when it renews."""
    old = await shared.acquire("inc-2", "a@inc-2")
    new = await shared.acquire("inc-2", "a@inc-2")
    assert old is not None
    assert new is not None
    assert new.token > old.token
    with pytest.raises(LeaseLostError) as refused:
        await shared.renew(old)
    assert refused.value.code == "state.lock_lost"
    await shared.release(old)
    await shared.renew(new)
    assert await shared.holder("inc-2") == new


async def test_a_lock_ends_by_itself(shared: SharedState, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is silent holds nothing: another agent gets the task, and the sleeper's renewal is refused."""
    with monkeypatch.context() as short:
        short.setattr(keys, "LOCK_S", 0.05)
        old_key = keys.active_agent("inc-3")
        short.setattr(keys, "active_agent", lambda task: Key(name=old_key.name, ttl_s=0.05))
        sleeper = await shared.acquire("inc-3", "sleeper")
        async with asyncio.timeout(5):
            while await shared.holder("inc-3") is not None:
                await asyncio.sleep(0)
    other = await shared.acquire("inc-3", "other")
    assert sleeper is not None
    assert other is not None
    with pytest.raises(LeaseLostError):
        await shared.renew(sleeper)


async def test_fifty_who_want_one_lock(shared: SharedState) -> None:
    """At once, in one store: exactly one of them holds it."""
    got = await asyncio.gather(*(shared.acquire("inc-4", f"agent-{n}") for n in range(50)))
    assert len([lock for lock in got if lock is not None]) == 1


async def test_tokens_grow_even_when_the_store_forgot(shared: SharedState) -> None:
    """A store that lost everything hands out no token that was there before."""
    before = await shared.acquire("inc-5", "a")
    await shared.forget(keys.fence("inc-5"), keys.active_agent("inc-5"))
    after = await shared.acquire("inc-5", "a")
    assert before is not None
    assert after is not None
    assert after.token > before.token


async def test_a_document_that_describes_no_lock_is_said(shared: SharedState) -> None:
    """Somebody else's value under our key is an error with the key's name, not a crash."""
    await shared.put(keys.active_agent("inc-6"), ["not", "a", "lock"])
    with pytest.raises(StorageError, match="not ours"):
        await shared.acquire("inc-6", "a")


async def test_the_store_answers(shared: SharedState) -> None:
    """A ping returns; closing twice is harmless."""
    await shared.ping()
    await shared.aclose()


@asynccontextmanager
async def foreign(redis_url: str) -> AsyncIterator[tuple[RedisState, Any]]:
    state = RedisState(redis_url, SystemClock())
    try:
        yield state, state._client
    finally:
        await state.aclose()


async def test_redis_foreign_values_are_said(redis_url: str) -> None:
    """Bytes that are not JSON, and a value of another type, are errors that name the key."""
    async with foreign(redis_url) as (state, client):
        await client.set("fb:test:bytes", b"\x00not json")
        with pytest.raises(StorageError, match="not ours"):
            await state.get(fresh("bytes"))
        await client.set("fb:test:string", b"1")
        for call in (state.items(fresh("string")), state.members(fresh("string")), state.push(fresh("string"), 1)):
            with pytest.raises(StorageError, match="refused a command"):
                await call


async def test_redis_lives_are_set_on_the_server(redis_url: str) -> None:
    """Heartbeat 60 s, lock 60 s, output pointers 24 h; the revocation cache stays."""
    async with foreign(redis_url) as (state, client):
        await state.put(keys.heartbeat("a"), 1)
        await state.put(keys.output("a", "ALPHA"), 1)
        await state.push(keys.revocations(), {})
        await state.acquire("inc-7", "a")
        lives = [await client.pttl(k.name) for k in (keys.heartbeat("a"), keys.lock("a"), keys.active_agent("inc-7"))]
        assert all(59_000 < life <= 60_000 for life in lives)
        assert 86_390_000 < await client.pttl(keys.output("a", "ALPHA").name) <= 86_400_000
        assert await client.pttl(keys.revocations().name) == -1


async def test_redis_loses_a_race_as_a_lost_lock(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that moves between look and write is refused in the transaction; an endless race ends without the lock."""
    async with foreign(redis_url) as (state, client), foreign(redis_url) as (other, _):
        lock = await state.acquire("inc-8", "a")
        assert lock is not None
        pipeline = client.pipeline

        def racing(**options: Any) -> Any:
            pipe = pipeline(**options)
            execute = pipe.execute

            async def late() -> Any:
                await other.put(keys.fence("inc-8"), lock.token + 1)
                return await execute()

            pipe.execute = late
            return pipe

        monkeypatch.setattr(client, "pipeline", racing)
        with pytest.raises(LeaseLostError):
            await state._fenced(lock, [("DEL", keys.active_agent("inc-8").name)])
        assert await state.acquire("inc-8", "a") is None


async def test_a_silent_server_is_unavailable() -> None:
    """Nobody listens: a transient error that says what to do, and no address in it."""
    state = RedisState("unix:///tmp/nobody-listens-here.sock", SystemClock())
    for call in (state.ping(), state.get(fresh("x")), state.put(fresh("x"), 1), state.acquire("t", "a")):
        with pytest.raises(StorageUnavailableError, match="does not answer"):
            await call
    await state.aclose()


@pytest.mark.parametrize("name", ["", "a:b", "a b", "../x", "a\n", "é", "x" * 201, "{x}"])
def test_names_that_would_leave_their_place_are_refused(name: str) -> None:
    """No id reaches into another key."""
    for build in (keys.packet, keys.handoff, keys.broadcast, lambda n: keys.blackboard("t", n)):
        with pytest.raises(ConfigError, match="keyspace"):
            build(name)


def test_the_keyspace_is_the_specifications() -> None:
    """Every key of the specification, with its life."""
    a, t, p = "responder@inc-1", "inc-1", "inc-1"
    table = {
        keys.packet(a): "agent:responder@inc-1:packet",
        keys.state(a): "agent:responder@inc-1:state",
        keys.errors(a): "agent:responder@inc-1:errors",
        keys.heartbeat(a): "agent:responder@inc-1:heartbeat",
        keys.lock(a): "agent:responder@inc-1:lock",
        keys.output(a, "GAMMA"): "agent:responder@inc-1:output:GAMMA",
        keys.active_agent(t): "task:inc-1:active_agent",
        keys.artifacts(t): "task:inc-1:artifacts",
        keys.agents(p): "project:inc-1:agents",
        keys.objective(p): "project:inc-1:objective",
        keys.plan(p, "clear-1"): "project:inc-1:plan:clear-1",
        keys.broadcast(p): "project:inc-1:broadcast",
        keys.blackboard(t, "diagnosis"): "blackboard:inc-1:diagnosis",
        keys.messages(t, "overwatch"): "msg:inc-1:overwatch",
        keys.revocations(): "revocations:ledger",
        keys.handoff(t): "handoff:inc-1:latest",
        keys.history(a): "history:responder@inc-1:runs",
    }
    assert {key.name for key in table} == {f"fb:{name}" for name in table.values()}
    assert keys.LOCK_S <= keys.HEARTBEAT_S
    assert keys.acknowledged(p, "clear-1").name == "fb:project:inc-1:plan:clear-1:acknowledged"
