"""The database itself: down, out of sessions, read-only, blocked by one of its sessions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from agents.perception.claim import NO_ANSWER, Claim, finding, number, of_log, of_reading
from agents.perception.facts import Facts
from agents.perception.symptoms import Symptoms
from domain.bundle import Reading
from domain.conditions import Condition

NO_SLOT = re.compile(r"too many (clients|connections)|remaining connection slots|connection limit", re.I)
READ_ONLY = re.compile(r"read-only transaction|database is read.?only|ReadOnlySqlTransaction", re.I)
DEADLOCK = re.compile(r"deadlock detected", re.I)
RESERVED = 3
"""Sessions that PostgreSQL keeps for superusers."""
LONG_S = 3.0
"""A transaction older than this, holding what others want, is no longer ordinary waiting."""


def blocking_session(facts: Facts, _: Symptoms) -> Iterable[Claim]:
    """A session holds locks that others wait for; idle in transaction is the classic."""
    for reading in facts.readings("db_locks"):
        blockers = _roots([b for b in reading.values.get("blockers") or [] if isinstance(b, dict)])
        blocked = number(reading.values.get("blocked"))
        if not blockers or (blocked <= 0 and not any(number(b.get("blocks")) > 0 for b in blockers)):
            continue
        worst = max(blockers, key=lambda b: (number(b.get("blocks")), number(b.get("transaction_s"))))
        age = number(worst.get("transaction_s"))
        idle = "idle in transaction" in str(worst.get("state", "")).replace("_", " ")
        relations = ", ".join(str(r) for r in worst.get("relations") or []) or "what others need"
        pids = [b["pid"] for b in blockers if "pid" in b]
        starts = {str(b.get("pid")): b["backend_start"] for b in blockers if b.get("backend_start")}
        starts |= {str(k): v for k, v in (reading.values.get("backend_starts") or {}).items()}
        details = {
            "pids": pids,
            "blockers": [_blocker(b) for b in blockers],
            "blocked": blocked,
            "relations": worst.get("relations") or [],
            "role": worst.get("role"),
            "backend_starts": {str(p): starts[str(p)] for p in pids if str(p) in starts},
        }
        yield Claim(
            service=reading.service,
            fault_class="long_transactions",
            strength=0.95 if idle and age >= LONG_S else (0.88 if age >= LONG_S else 0.55),
            direct=True,
            statement=(
                f"Session {worst.get('pid')} ({worst.get('application_name') or worst.get('role')}) has held {relations} for "
                f"{age:.0f} s ({worst.get('state')}); {blocked:.0f} session(s) wait for it."
            ),
            signs=(of_reading(reading, "one session blocks others"), *_activity(facts, reading)),
            falsify="no row of pg_stat_activity has a non-empty pg_blocking_pids(pid)",
            probe=("db_locks", reading.service, "0 blocked"),
            findings=(finding(Condition.SESSION_BLOCKS_OTHERS, reading.service, reading.service, **details),),
            details=details,
        )


def long_transaction(facts: Facts, symptoms: Symptoms) -> Iterable[Claim]:
    """An old open transaction that blocks nobody yet: weak, and only when somebody suffers."""
    for reading in facts.readings("db_activity"):
        locks = facts.reading("db_locks", reading.service)
        age = number(reading.values.get("longest_transaction_s"))
        if age < 30 or (locks is not None and (locks.values.get("blockers") or locks.ok is True)):
            continue
        yield Claim(
            service=reading.service,
            fault_class="long_transactions",
            strength=0.4,
            needs_symptom=True,
            statement=f"A transaction on {reading.service} has been open for {age:.0f} s; who waits for it is not known.",
            signs=(of_reading(reading, "an old open transaction"),),
            falsify="no session waits for a lock",
            probe=("db_locks", reading.service, "0 blocked"),
            details={"longest_transaction_s": age},
        )


def out_of_sessions(facts: Facts, _: Symptoms) -> Iterable[Claim]:
    """No free session is left for applications."""
    for reading in facts.readings("db_activity"):
        sessions, limit = number(reading.values.get("sessions")), number(reading.values.get("max_connections"))
        lines = facts.logs_like(NO_SLOT)
        full = limit > 0 and sessions >= limit - RESERVED
        refused = bool(NO_SLOT.search(f"{reading.text} {reading.values.get('error')}"))
        if not (full or refused or (lines and limit > 0 and sessions >= 0.7 * limit)):
            continue
        details = {
            "sessions": sessions,
            "max_connections": limit,
            "by_role": reading.values.get("by_role") or {},
            "pids": reading.values.get("idle_pids") or [],
        }
        yield Claim(
            service=reading.service,
            fault_class="connection_limit",
            strength=0.93 if full and lines else 0.85 if full or refused else 0.6,
            direct=True,
            statement=f"{reading.service} has no session left: {sessions:.0f} of {limit:.0f} are taken.",
            signs=(
                of_reading(reading, "the session limit is reached"),
                *(of_log(lines[-1], "clients are turned away", len(lines)) for _ in lines[:1]),
            ),
            falsify="a new session can be opened as an application role",
            probe=("db_activity", reading.service, "sessions well below max_connections"),
            findings=(finding(Condition.SESSIONS_EXHAUSTED, reading.service, reading.service, **details),),
            details=details,
        )


def read_only(facts: Facts, _: Symptoms) -> Iterable[Claim]:
    """Writes are refused because the server, the database or the role is set read-only."""
    for reading in facts.readings("db_activity"):
        lines = facts.logs_like(READ_ONLY)
        said = bool(reading.values.get("read_only"))
        if not said and not lines:
            continue
        recovering = bool(reading.values.get("in_recovery"))
        yield Claim(
            service=reading.service,
            fault_class="read_only",
            strength=0.92 if said and lines else 0.8 if said else 0.65,
            direct=said,
            needs_symptom=recovering,
            statement=f"{reading.service} refuses writes: it is {'a standby in recovery' if recovering else 'set read-only'}.",
            signs=(
                of_reading(reading, "the database is read-only"),
                *(of_log(lines[-1], "a write was refused", len(lines)) for _ in lines[:1]),
            ),
            falsify="show default_transaction_read_only says off and a write succeeds",
            probe=("db_activity", reading.service, "read_only false"),
            details={"read_only": True, "in_recovery": recovering},
        )


def unreachable(facts: Facts, _: Symptoms) -> Iterable[Claim]:
    """The database answers nobody, not even on its own address. Whether its process runs tells a hang from its end."""
    for reading in facts.readings("db_activity"):
        if reading.values.get("reachable") is not False or NO_SLOT.search(
            f"{reading.text} {reading.values.get('error')}"
        ):
            continue
        state = facts.reading("process_state", reading.service)
        running = state is not None and state.ok is True
        yield Claim(
            service=reading.service,
            fault_class="hang" if running else "down",
            strength=0.7 if running else 0.6 if state is None else 0.82,
            direct=True,
            by_silence=NO_ANSWER.search(f"{reading.text} {reading.values.get('error')}") is not None,
            statement=f"{reading.service} does not answer on its own address"
            + (" although its process runs." if running else "."),
            signs=(of_reading(reading, "no session can be opened"),),
            doubts=(of_reading(state, "its process runs"),) if state is not None and running else (),
            falsify="a monitoring session can be opened",
            probe=("db_activity", reading.service, "reachable"),
            findings=(
                finding(
                    Condition.PROCESS_UNRESPONSIVE if running else Condition.PROCESS_NOT_RUNNING,
                    reading.service,
                    reading.service,
                ),
            ),
            details={"reachable": False, "error": reading.values.get("error")},
        )


def deadlock(facts: Facts, _: Symptoms) -> Iterable[Claim]:
    """Transactions kill each other in pairs."""
    lines = facts.logs_like(DEADLOCK)
    if len(lines) >= 2:
        service = next(iter(facts.of_kind({"database"})), lines[-1].service)
        yield Claim(
            service=service,
            fault_class="deadlock",
            strength=0.6,
            needs_symptom=True,
            statement=f"{len(lines)} transactions died in deadlocks.",
            signs=(of_log(lines[-1], "a deadlock", len(lines)),),
            falsify="pg_stat_database.deadlocks does not grow",
            probe=("db_locks", service, "0 blocked"),
        )


def _roots(blockers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Only the sessions at the head of a queue: a blocker that itself waits is a victim."""
    heads = [b for b in blockers if not b.get("blocked_by") and str(b.get("wait_event_type", "")) != "Lock"]
    heads = [b for b in heads if number(b.get("blocks"), 1.0) > 0]
    return heads or blockers


def _blocker(blocker: dict[str, Any]) -> dict[str, Any]:
    keys = ("pid", "role", "application_name", "state", "transaction_s", "backend_start", "blocks", "relations")
    return {k: blocker[k] for k in keys if k in blocker}


def _activity(facts: Facts, reading: Reading) -> list[Any]:
    activity = facts.reading("db_activity", reading.service)
    return [] if activity is None else [of_reading(activity, "sessions of the database")]


RULES = (blocking_session, long_transaction, out_of_sessions, read_only, unreachable, deadlock)
