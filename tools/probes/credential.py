"""db_auth: may the service's role log in with the service's own secret, and has it its memberships."""

from __future__ import annotations

from typing import Any

from domain.bundle import Reading
from tools.credential import credential_facts
from tools.probes.probe import Probe, Shared, bound, reading
from tools.schema import database_dsn
from tools.target import Target


async def _read(target: Target, shared: Shared) -> list[Reading]:
    binding = target.binding("credential")
    named = str(target.option(binding, "monitor_dsn_env", ""))
    dsn = target.variable(named, "monitor's DSN") if named else database_dsn(target, admin=False)
    facts = await credential_facts(target, dsn)
    sound = facts["exists"] and facts["can_login"] and facts["may_connect"]
    ok: bool | None = bool(sound and not facts["member_of_missing"] and not facts["tables_denied"])
    if facts["login_ok"] is not None:
        ok = ok and facts["login_ok"]
    elif ok:
        ok = None
    gap = f"the login could not be tried: {facts['error']}" if facts["login_ok"] is None else ""
    return [reading("db_auth", target, ok=ok, text=_says(facts), gap=gap, **facts)]


def _says(facts: dict[str, Any]) -> str:
    role = facts["role"]
    if not facts["exists"]:
        return f"role {role} does not exist"
    parts = [] if facts["can_login"] else ["may not log in"]
    parts += [] if facts["may_connect"] else ["may not connect to the database"]
    missing = facts["member_of_missing"]
    parts += [f"is no member of {', '.join(missing)}"] if missing else []
    denied = facts["tables_denied"]
    parts += [f"may not read {', '.join(denied)}"] if denied and not missing else []
    parts += [f"login with the service's own secret fails: {facts['error']}"] if facts["login_ok"] is False else []
    return f"role {role} " + ("; ".join(parts) or "logs in and has its memberships")


DB_AUTH = Probe(name="db_auth", applies=bound("credential"), read=_read)
