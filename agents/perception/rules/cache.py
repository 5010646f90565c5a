"""Cache and queue."""

from __future__ import annotations

from collections.abc import Iterable

from agents.perception.claim import Claim, finding, number, of_reading
from agents.perception.facts import Facts
from agents.perception.kinds import WORKER_KINDS
from agents.perception.symptoms import Symptoms
from domain.conditions import Condition

OLD_S = 20.0
"""Work waiting longer than this is late."""


def unreachable(facts: Facts, _: Symptoms) -> Iterable[Claim]:
    """The cache does not answer on its own address."""
    for reading in facts.readings("cache_health"):
        if reading.values.get("reachable") is not False:
            continue
        state = facts.reading("process_state", reading.service)
        running = state is not None and state.ok is True
        yield Claim(
            service=reading.service,
            fault_class="cache_down",
            strength=0.7 if running else 0.82,
            direct=True,
            statement=f"The cache {reading.service} does not answer.",
            signs=(of_reading(reading, "the cache does not answer"),),
            doubts=(of_reading(state, "its process runs"),) if state is not None and running else (),
            falsify="PING answers PONG",
            probe=("cache_health", reading.service, "reachable"),
            findings=(
                finding(
                    Condition.CACHE_UNREACHABLE, reading.service, reading.service, error=reading.values.get("error")
                ),
            ),
            details={"reachable": False},
        )


def queue(facts: Facts, _: Symptoms) -> Iterable[Claim]:
    """Work piles up: nobody takes it, or not fast enough."""
    for reading in facts.readings("queue_depth"):
        depth, oldest = number(reading.values.get("depth")), number(reading.values.get("oldest_s"))
        if reading.ok is not False and not (oldest >= OLD_S and depth >= 5):
            continue
        if depth <= 0:
            continue
        workers = [reading.service, *facts.of_kind(WORKER_KINDS)]
        state = next((s for w in workers if (s := facts.reading("process_state", w)) is not None), None)
        service = state.service if state is not None else reading.service
        details = {"depth": depth, "oldest_s": oldest}
        yield Claim(
            service=service,
            fault_class="queue_lag",
            strength=0.62,
            direct=True,
            statement=f"{depth:.0f} jobs wait for {service}, the oldest for {oldest:.0f} s.",
            signs=(of_reading(reading, "work piles up"),),
            doubts=(of_reading(state, "the consumer's process runs"),) if state is not None and state.ok else (),
            falsify="the oldest job is younger than a few seconds",
            probe=("queue_depth", reading.service, "a short queue"),
            findings=(finding(Condition.QUEUE_GROWING, service, service, **details),),
            details=details,
        )


RULES = (unreachable, queue)
