"""Circuit breakers: what goes out, what is refused at once, and that no retry storm is possible."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.clock import ManualClock
from domain.errors import CircuitOpenError, StorageUnavailableError, UpstreamError
from governance.guard.client import HttpGuard
from governance.health import MOST_REST_S, REST_S, THRESHOLD, Breaker, Circuit, Circuits, Condition
from governance.state.keys import packet
from governance.state.redis import RedisState


class Remote:
    """A dependency that can be broken, and counts what reaches it."""

    def __init__(self) -> None:
        self.broken = True
        self.calls = 0

    async def ask(self) -> str:
        self.calls += 1
        if self.broken:
            raise ConnectionError("refused")
        return "fine"


async def attempts(breaker: Breaker, remote: Remote, count: int) -> None:
    for _ in range(count):
        with pytest.raises((ConnectionError, CircuitOpenError)):
            await breaker.call(remote.ask, ConnectionError)


async def test_it_opens_after_failures_in_a_row_and_closes_after_a_good_trial() -> None:
    """Healthy, degraded, down, half-open, healthy again; while it is open nothing goes out."""
    clock, remote = ManualClock(), Remote()
    breaker = Breaker("redis", clock)
    assert breaker.health().condition is Condition.HEALTHY
    await attempts(breaker, remote, THRESHOLD - 1)
    assert (breaker.health().condition, breaker.health().circuit) == (Condition.DEGRADED, Circuit.CLOSED)
    await attempts(breaker, remote, 10)
    assert remote.calls == THRESHOLD
    health = breaker.health()
    assert (health.condition, health.circuit, health.retry_after_s) == (Condition.DOWN, Circuit.OPEN, REST_S)
    assert (health.failures, health.last_error) == (THRESHOLD, "ConnectionError")
    clock.advance(REST_S)
    assert (breaker.health().condition, breaker.health().circuit) == (Condition.DEGRADED, Circuit.HALF_OPEN)
    remote.broken = False
    assert await breaker.call(remote.ask, ConnectionError) == "fine"
    assert breaker.health() == Breaker("redis", clock).health()


async def test_a_failed_trial_rests_twice_as_long() -> None:
    """Up to the longest rest; the refusal says when to come back and what to do."""
    clock, remote = ManualClock(), Remote()
    breaker = Breaker("model", clock)
    await attempts(breaker, remote, THRESHOLD)
    rests = []
    for _ in range(8):
        rests.append(breaker.health().retry_after_s)
        clock.advance(rests[-1])
        await attempts(breaker, remote, 1)
    assert rests == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert rests[-1] == MOST_REST_S
    with pytest.raises(CircuitOpenError, match="model is down") as refused:
        await breaker.call(remote.ask, ConnectionError)
    assert refused.value.retry_after == MOST_REST_S
    assert "/healthz" in refused.value.hint


async def test_one_trial_at_a_time() -> None:
    """Fifty callers find the half-open breaker: one goes out, the others are refused."""
    clock, remote = ManualClock(), Remote()
    breaker = Breaker("x", clock)
    await attempts(breaker, remote, THRESHOLD)
    clock.advance(REST_S)
    gate = asyncio.Event()

    async def slow() -> str:
        remote.calls += 1
        await gate.wait()
        return "fine"

    tasks = [asyncio.ensure_future(breaker.call(slow, ConnectionError)) for _ in range(50)]
    await asyncio.sleep(0)
    gate.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert remote.calls == THRESHOLD + 1
    assert [r for r in found if not isinstance(r, CircuitOpenError)] == ["fine"]


async def test_other_errors_and_leavers_decide_nothing() -> None:
    """A refusal by the other side is an answer; a trial that was cancelled leaves room for the next one."""
    clock, remote = ManualClock(), Remote()
    breaker = Breaker("x", clock, threshold=1)

    async def refuses() -> None:
        raise ValueError("not like this")

    with pytest.raises(ValueError, match="not like this"):
        await breaker.call(refuses, ConnectionError)
    assert breaker.health().failures == 0
    await attempts(breaker, remote, 1)
    clock.advance(REST_S)
    hanging = asyncio.ensure_future(breaker.call(asyncio.Event().wait, ConnectionError))
    await asyncio.sleep(0)
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    remote.broken = False
    assert await breaker.call(remote.ask, ConnectionError) == "fine"


@settings(deadline=None)
@given(
    callers=st.lists(st.floats(min_value=0, max_value=5, allow_nan=False), max_size=60),
    threshold=st.integers(min_value=1, max_value=10),
)
def test_no_retry_storm_is_possible(callers: list[float], threshold: int) -> None:
    """However many callers retry however fast, a dead dependency sees the threshold and one call per rest."""
    clock, remote = ManualClock(), Remote()
    breaker = Breaker("x", clock, threshold=threshold)

    async def storm() -> None:
        for pause in callers:
            clock.advance(pause)
            await attempts(breaker, remote, 3)

    asyncio.run(storm())
    elapsed = clock.monotonic()
    assert remote.calls <= threshold + elapsed / REST_S


def test_everybody_shares_a_dependencys_breaker() -> None:
    """By name, listed in order."""
    circuits = Circuits(ManualClock())
    assert circuits.of("redis") is circuits.of("redis")
    circuits.of("model")
    assert [health.name for health in circuits] == ["model", "redis"]


async def test_the_guards_client_stops_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead action server is not stormed by the client's own retries, nor by those of a person's client beside it."""
    monkeypatch.setattr("governance.guard.client._TRIES", 2)
    calls = 0

    def dead(request: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        raise httpx.ConnectError("refused")

    clock = ManualClock()
    breaker = Breaker("action_server", clock)
    async with HttpGuard("http://x", "t", httpx.MockTransport(dead), breaker) as guard:
        async with guard.with_token("other") as person:
            for client in (guard, person, guard, person):
                with pytest.raises(UpstreamError, match="does not answer"):
                    await client.status()
        assert calls == THRESHOLD
        assert breaker.health().condition is Condition.DOWN


async def test_redis_that_is_away_is_left_alone() -> None:
    """After the threshold the answer comes from the breaker, as the same kind of error."""
    breaker = Breaker("redis", ManualClock())
    state = RedisState("unix:///tmp/nobody-listens-here.sock", ManualClock(), breaker)
    found: list[Any] = []
    for _ in range(THRESHOLD + 2):
        with pytest.raises(StorageUnavailableError) as refused:
            await state.get(packet("a"))
        found.append(refused.value.found)
    assert found == ["ConnectionError"] * THRESHOLD + ["redis is down: its circuit breaker is open"] * 2
    await state.aclose()
