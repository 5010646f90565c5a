"""What a service's database role may do, and whether its own secret still opens the door."""

from __future__ import annotations

import asyncio
from typing import Any

from domain.errors import ToolError
from tools.postgres import Connection, Login, connected, rows, try_login
from tools.secret import has_place, password
from tools.target import Target

_ROLE = """
select r.rolname, r.rolcanlogin as can_login, r.rolconnlimit as connection_limit,
       to_char(r.rolvaliduntil at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as valid_until,
       coalesce(isfinite(r.rolvaliduntil) and r.rolvaliduntil < now(), false) as expired,
       has_database_privilege(r.oid, current_database(), 'CONNECT') as may_connect
from pg_roles r where r.rolname = %(role)s
"""

_GROUPS = """
select g.rolname as name, coalesce(pg_has_role(m.oid, g.oid, 'MEMBER'), false) as member
from pg_roles m cross join pg_roles g where m.rolname = %(role)s and g.rolname = any(%(groups)s)
"""

_DENIED = """
select c.relname::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace, pg_roles r
where r.rolname = %(role)s and c.relkind in ('r', 'p') and n.nspname = 'public'
  and not (has_schema_privilege(r.oid, n.oid, 'USAGE') and has_table_privilege(r.oid, c.oid, 'SELECT'))
order by 1 limit 20
"""


async def credential_facts(target: Target, dsn: str) -> dict[str, Any]:
    """{role, exists, can_login, member_of_missing, login_ok, error, valid_until, may_connect, tables_denied}.

    `dsn` may be the monitor's: the catalogue is open to everyone. `login_ok` None: it could not be tried.
    """
    binding = target.binding("credential")
    role, groups = str(target.option(binding, "role", "")), list(target.option(binding, "member_of") or [])
    async with connected(dsn, read_only=True) as connection:
        facts = await _catalogue(connection, role, groups)
    login = await _login(target, dsn, role)
    return {"role": role, **facts, "login_ok": login.ok, "error": login.error}


async def _catalogue(connection: Connection, role: str, groups: list[str]) -> dict[str, Any]:
    found = await rows(connection, _ROLE, {"role": role})
    if not found:
        return {
            "exists": False,
            "can_login": False,
            "member_of_missing": groups,
            "valid_until": None,
            "may_connect": False,
            "tables_denied": [],
        }
    memberships = await rows(connection, _GROUPS, {"role": role, "groups": groups})
    member = {row["name"] for row in memberships if row["member"]}
    denied = await rows(connection, _DENIED, {"role": role})
    row = found[0]
    return {
        "exists": True,
        "can_login": bool(row["can_login"] and not row["expired"] and row["connection_limit"] != 0),
        "member_of_missing": [group for group in groups if group not in member],
        "valid_until": row["valid_until"],
        "may_connect": bool(row["may_connect"]),
        "tables_denied": [r["name"] for r in denied],
    }


async def _login(target: Target, dsn: str, role: str) -> Login:
    if not has_place(target):
        return Login(ok=None, error="nothing says where the service reads its password")
    try:
        word = await asyncio.to_thread(password, target)
    except ToolError as error:
        return Login(ok=None, error=f"the service's own secret cannot be read: {error.found or error.message}")
    return await try_login(dsn, user=role, password=word)
