"""Sessions of a PostgreSQL server as rows: who is connected, who waits for whom."""

from __future__ import annotations

from typing import Any

from domain.redaction import redact
from tools.postgres import APPLICATION, Connection, rows

_SESSIONS = """
select a.pid, a.usename as role, a.application_name, a.state, a.backend_type,
       to_char(a.backend_start at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as backend_start,
       extract(epoch from clock_timestamp() - a.xact_start)::float8 as transaction_s,
       extract(epoch from clock_timestamp() - a.state_change)::float8 as state_s,
       left(a.query, 300) as query,
       coalesce(r.rolsuper, false) as superuser, coalesce(r.rolreplication, false) as replication,
       pg_blocking_pids(a.pid) as blocked_by,
       a.pid = pg_backend_pid() or a.application_name = %(own)s as own
from pg_stat_activity a left join pg_roles r on r.oid = a.usesysid
where a.datname = current_database() or a.backend_type <> 'client backend'
order by a.pid
limit 1000
"""

_RELATIONS = """
select l.pid, array_agg(distinct c.relname::text order by c.relname::text) as relations
from pg_locks l join pg_class c on c.oid = l.relation
where l.granted and l.pid = any(%(pids)s) and l.database = (select oid from pg_database where datname = current_database())
  and c.relkind in ('r', 'p') and c.relnamespace <> 'pg_catalog'::regnamespace
group by l.pid
"""


async def sessions(connection: Connection) -> list[dict[str, Any]]:
    """Every session with `blocks`: how many others wait for it (directly). Query texts are redacted."""
    found = await rows(connection, _SESSIONS, {"own": APPLICATION})
    waiting: dict[int, int] = {}
    for row in found:
        for pid in row["blocked_by"] or []:
            waiting[pid] = waiting.get(pid, 0) + 1
    return [
        {
            **row,
            "query": redact(row["query"] or ""),
            "transaction_s": _rounded(row["transaction_s"]),
            "state_s": _rounded(row["state_s"]),
            "blocks": waiting.get(row["pid"], 0),
        }
        for row in found
    ]


def idles_in_transaction(row: dict[str, Any]) -> bool:
    """Whether the session's client does nothing with its open transaction, failed or not; its locks stay."""
    return str(row["state"]).startswith("idle in transaction")


async def relations_locked(connection: Connection, pids: list[int]) -> dict[int, list[str]]:
    """Names of the tables on which each of these sessions holds a lock."""
    found = await rows(connection, _RELATIONS, {"pids": pids})
    return {row["pid"]: list(row["relations"])[:20] for row in found}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
