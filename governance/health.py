"""How our own dependencies stand: a circuit breaker around every remote edge, and what the pages show of it.

A breaker lets everything through while it is closed. `threshold` failures in a row open it: then nothing goes out, every
caller is told at once when to come back, and after a rest one single trial goes out (half-open). Its success closes the
breaker, its failure opens it for twice as long. Whatever retries on top of it, a dead dependency sees one call per rest.
(Nygard, Release It!, "Circuit Breaker".)
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import TypeVar

from domain.clock import Clock
from domain.errors import CircuitOpenError
from domain.value import Value

T = TypeVar("T")

THRESHOLD = 5
"""Failures in a row that open a breaker: a restart of the other side is shorter."""
REST_S = 1.0
"""First rest of an open breaker."""
MOST_REST_S = 30.0
"""Longest rest; so long may a dependency be back before it is noticed."""


class Circuit(StrEnum):
    """State of a breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Condition(StrEnum):
    """What a dependency is worth now."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """The last call failed, or a trial is out."""
    DOWN = "down"


class DependencyHealth(Value):
    """One dependency as pages show it."""

    name: str
    condition: Condition
    circuit: Circuit
    failures: int
    """In a row."""
    retry_after_s: float
    """Seconds until the next trial; 0 when calls go out."""
    last_error: str = ""


class Breaker:
    """Around one dependency. Not for what is *investigated*: that a patient does not answer is evidence, not our health."""

    def __init__(self, name: str, clock: Clock, *, threshold: int = THRESHOLD) -> None:
        self.name = name
        self._clock = clock
        self._threshold = threshold
        self._failures = 0
        self._rest_s = REST_S
        self._until: float | None = None
        self._trial = False
        self._error = ""

    @asynccontextmanager
    async def watching(self, *failures: type[Exception]) -> AsyncGenerator[None]:
        """Around one call. Raises CircuitOpenError instead of letting it out; the named errors count, others do not."""
        self._admit()
        try:
            yield
        except failures as error:
            self._failed(type(error).__name__)
            raise
        except BaseException:
            self._trial = False
            raise
        self._succeeded()

    async def call(self, work: Callable[[], Awaitable[T]], *failures: type[Exception]) -> T:
        """One call; see `watching`."""
        async with self.watching(*failures):
            return await work()

    def health(self) -> DependencyHealth:
        """How it stands now."""
        circuit = self._circuit()
        condition = {
            Circuit.CLOSED: Condition.DEGRADED if self._failures else Condition.HEALTHY,
            Circuit.HALF_OPEN: Condition.DEGRADED,
            Circuit.OPEN: Condition.DOWN,
        }[circuit]
        return DependencyHealth(
            name=self.name,
            condition=condition,
            circuit=circuit,
            failures=self._failures,
            retry_after_s=round(self._wait_s(), 3),
            last_error=self._error,
        )

    def _circuit(self) -> Circuit:
        if self._until is None:
            return Circuit.CLOSED
        return Circuit.OPEN if self._wait_s() > 0 else Circuit.HALF_OPEN

    def _wait_s(self) -> float:
        return max(0.0, self._until - self._clock.monotonic()) if self._until is not None else 0.0

    def _admit(self) -> None:
        if self._until is None:
            return
        if self._wait_s() > 0 or self._trial:
            raise _open(self.name, self._wait_s() or REST_S, self._error)
        self._trial = True

    def _succeeded(self) -> None:
        self._failures, self._rest_s, self._until, self._trial, self._error = 0, REST_S, None, False, ""

    def _failed(self, error: str) -> None:
        self._failures, self._error = self._failures + 1, error
        if self._trial:
            self._rest_s = min(2 * self._rest_s, MOST_REST_S)
        if self._trial or (self._until is None and self._failures >= self._threshold):
            self._until = self._clock.monotonic() + self._rest_s
        self._trial = False


class Circuits:
    """The breakers of one process, by dependency."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._breakers: dict[str, Breaker] = {}

    def of(self, name: str) -> Breaker:
        """The dependency's breaker; the same one for everybody who asks."""
        return self._breakers.setdefault(name, Breaker(name, self._clock))

    def __iter__(self) -> Iterator[DependencyHealth]:
        """How every dependency stands, by name."""
        return iter([self._breakers[name].health() for name in sorted(self._breakers)])


def _open(name: str, retry_after: float, last_error: str) -> CircuitOpenError:
    error = CircuitOpenError(
        f"{name} is down: its circuit breaker is open",
        expected=f"an answer from {name}",
        found=last_error,
        hint=f"it is tried again in {retry_after:.1f} s; the settings page and `/healthz` show what is down",
    )
    error.retry_after = retry_after
    return error
