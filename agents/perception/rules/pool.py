"""The application's own connection pool."""

from __future__ import annotations

import re
from collections.abc import Iterable

from agents.perception.claim import Claim, finding, number, of_log, of_reading
from agents.perception.facts import Facts
from agents.perception.symptoms import Symptoms
from domain.conditions import Condition

POOL_WAIT = re.compile(
    r"PoolTimeout|no database connection became free|already \d+ requests waiting|"
    r"couldn'?t get a connection|pool (is )?(exhausted|full|timeout)|QueuePool limit|no free connection",
    re.I,
)


RECENT_S = 6.0
"""Complaints older than this say what the pool was, not what it is; its own reading says that."""
FREE_AGAIN = 0.35
"""Strength where requests complained a moment ago and the pool reads free: it may fill again, or something else held them."""


def exhausted(facts: Facts, symptoms: Symptoms) -> Iterable[Claim]:
    """All pooled connections are taken and requests wait, while the database itself is free."""
    for reading in facts.readings("db_pool"):
        size, used, waiting = (number(reading.values.get(k)) for k in ("size", "in_use", "waiting"))
        lines = facts.logs_like(POOL_WAIT, [reading.service])
        lines = [line for line in lines if reading.time - line.time <= RECENT_S]
        full = size > 0 and used >= size
        if not (full or waiting > 0 or lines):
            continue
        database = facts.database_of(reading.service)
        locks = facts.reading("db_locks", database) if database else None
        free = locks is not None and number(locks.values.get("blocked")) == 0 and locks.ok is not None
        taken = full or waiting > 0
        strength = 0.88 if full and (waiting > 0 or lines) else 0.62 if full else 0.5 if waiting > 0 else FREE_AGAIN
        seen = of_reading(reading, "every pooled connection is taken" if full else "requests wait for a connection")
        signs = [seen] if taken else []
        if lines:
            signs.append(of_log(lines[-1], "requests give up waiting for a connection", len(lines)))
        if locks is not None and free:
            signs.append(
                of_reading(
                    locks, "no session blocks another, so the connections are held by the application's own requests"
                )
            )
        doubts = [] if taken else [of_reading(reading, "connections are free now")]
        if locks is not None and not free:
            doubts.append(of_reading(locks, "sessions wait for a lock: the pool may only be its victim"))
        details = {k: reading.values.get(k) for k in ("size", "in_use", "waiting")} | {"database": database}
        yield Claim(
            service=reading.service,
            fault_class="pool_exhaustion",
            strength=strength if free else strength * 0.85,
            direct=full,
            needs_symptom=True,
            statement=(
                f"{reading.service} {'has' if taken else 'had'} no database connection left: "
                f"{used:.0f} of {size:.0f} in use, {waiting:.0f} waiting."
            ),
            signs=tuple(signs),
            doubts=tuple(doubts),
            falsify="pool in_use falls below size, or the holders wait for a lock",
            probe=("db_pool", reading.service, "in_use below size and nobody waiting"),
            findings=(finding(Condition.POOL_SATURATED, reading.service, reading.service, **details),),
            details=details,
        )


def complained(facts: Facts, symptoms: Symptoms) -> Iterable[Claim]:
    """Only the log says so: no pool reading."""
    services = {line.service for line in facts.logs_like(POOL_WAIT)}
    for service in sorted(services):
        if facts.reading("db_pool", service) is not None:
            continue
        lines = facts.logs_like(POOL_WAIT, [service])
        yield Claim(
            service=service,
            fault_class="pool_exhaustion",
            strength=0.5,
            needs_symptom=True,
            statement=f"Requests to {service} give up waiting for a database connection.",
            signs=(of_log(lines[-1], "requests give up waiting for a connection", len(lines)),),
            falsify="the pool has free connections",
            probe=("db_pool", service, "in_use below size"),
        )


RULES = (exhausted, complained)
