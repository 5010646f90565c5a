"""db_activity and db_locks: who is connected to a PostgreSQL server, and who waits for whom. Over the monitor's DSN."""

from __future__ import annotations

import asyncio
from typing import Any

from domain.bundle import Reading
from domain.errors import ToolError
from tools.postgres import Connection, connected, rows
from tools.probes.probe import Probe, Shared, bound, reading
from tools.sessions import idles_in_transaction, relations_locked, sessions
from tools.target import Target

_SETTINGS = """
select current_setting('max_connections')::int as max_connections,
       pg_is_in_recovery() as in_recovery,
       (select count(*) from pg_stat_activity where backend_type = 'client backend')::int as sessions,
       coalesce((select bool_or(c in ('default_transaction_read_only=on', 'default_transaction_read_only=true'))
                 from pg_db_role_setting s, unnest(s.setconfig) c
                 where s.setdatabase in (0, (select oid from pg_database where datname = current_database()))), false)
       or current_setting('default_transaction_read_only') = 'on' as read_only
"""

STATES = ("active", "idle", "idle in transaction", "idle in transaction (aborted)")
LONG_TRANSACTION_S = 60.0
FULL = 0.95
LOOKS = 3
BETWEEN_LOOKS_S = 0.25
OLD_S = 2.0
"""A transaction in which nothing happens is suspected from this age on."""


def _dsn(target: Target) -> str:
    return target.variable(str(target.option(target.binding("database"), "monitor_dsn_env", "")), "monitor's DSN")


async def _activity(target: Target, shared: Shared) -> list[Reading]:
    dsn = _dsn(target)
    try:
        # Only selects: a read-only session would hide whether the server's default is read-only.
        async with connected(dsn, read_only=False, timeout_s=1.5, statement_s=1.5) as connection:
            settings = (await rows(connection, _SETTINGS))[0]
            found = await sessions(connection)
    except ToolError as error:
        said = error.found or error.message
        text = f"the database cannot be reached: {said}"
        return [reading("db_activity", target, ok=False, text=text, reachable=False, error=said)]
    clients = [row for row in found if row["backend_type"] == "client backend" and not row["own"]]
    longest = max((row["transaction_s"] or 0.0 for row in clients), default=0.0)
    crowded = settings["sessions"] >= FULL * settings["max_connections"]
    ok = not crowded and not settings["read_only"] and not settings["in_recovery"] and longest < LONG_TRANSACTION_S
    idle = sorted(
        (r for r in clients if r["state"] == "idle" and not r["superuser"]), key=lambda r: -(r["state_s"] or 0)
    )
    return [
        reading(
            "db_activity",
            target,
            ok=ok,
            text=f"{settings['sessions']} of {settings['max_connections']} sessions, longest transaction {longest:.0f} s",
            reachable=True,
            **settings,
            by_role=_by_role(clients),
            longest_transaction_s=round(longest, 1),
            idle_pids=[row["pid"] for row in idle[:20]],
        )
    ]


def _by_role(clients: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for row in clients:
        state = str(row["state"]).replace(" (aborted)", "").replace(" ", "_")
        role = counts.setdefault(str(row["role"]), {"active": 0, "idle": 0, "idle_in_transaction": 0})
        role[state] = role.get(state, 0) + 1
    return counts


async def _locks(target: Target, shared: Shared) -> list[Reading]:
    async with connected(_dsn(target), read_only=True, timeout_s=1.5, statement_s=1.5) as connection:
        found = await with_waiters(connection)
        waiting = [row for row in found if row["blocked_by"]]
        holders = [row for row in found if row["blocks"] and row["backend_type"] == "client backend"]
        tables = await relations_locked(connection, [row["pid"] for row in holders]) if holders else {}
    heads = sorted(holders, key=lambda r: (bool(r["blocked_by"]), -r["blocks"]))[:20]
    return [
        reading(
            "db_locks",
            target,
            ok=not waiting,
            text=_says(len(waiting), heads),
            blocked=len(waiting),
            blockers=[_blocker(row, tables) for row in heads],
            backend_starts={str(row["pid"]): row["backend_start"] for row in heads},
        )
    ]


async def with_waiters(connection: Connection) -> list[dict[str, Any]]:
    """Sessions at a moment in which somebody waits, if there is one soon.

    Those who wait with a short timeout give up and come back; while a session idles in an old transaction, a look at a
    moment without them says nothing. Such a session is looked at LOOKS times.
    """
    found = await sessions(connection)
    for _ in range(LOOKS - 1):
        old = [r for r in found if idles_in_transaction(r) and (r["transaction_s"] or 0.0) >= OLD_S]
        if not old or any(row["blocked_by"] for row in found):
            break
        await asyncio.sleep(BETWEEN_LOOKS_S)
        found = await sessions(connection)
    return found


def _blocker(row: dict[str, Any], tables: dict[int, list[str]]) -> dict[str, Any]:
    keys = (
        "pid",
        "role",
        "application_name",
        "state",
        "transaction_s",
        "query",
        "blocks",
        "blocked_by",
        "backend_start",
    )
    return {**{key: row[key] for key in keys}, "relations": tables.get(row["pid"], [])}


def _says(blocked: int, heads: list[dict[str, Any]]) -> str:
    if not blocked:
        return "no session waits for another"
    head = heads[0] if heads else None
    if head is None:
        return f"{blocked} session(s) wait for a lock"
    return (
        f"{blocked} session(s) wait; pid {head['pid']} ({head['role']}, {head['state']}, transaction for "
        f"{head['transaction_s'] or 0:.0f} s) holds up {head['blocks']}"
    )


DB_ACTIVITY = Probe(name="db_activity", applies=bound("database"), read=_activity)
DB_LOCKS = Probe(name="db_locks", applies=bound("database"), read=_locks)
