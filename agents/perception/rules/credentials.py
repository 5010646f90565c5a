"""Database roles: dropped, revoked, another password, a missing membership."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from agents.perception.claim import Claim, finding, of_log, of_reading
from agents.perception.facts import Facts
from agents.perception.symptoms import Symptoms
from domain.bundle import Reading
from domain.conditions import Condition

REFUSED = re.compile(
    r"password authentication failed|not permitted to log in|role \S+ does not exist|permission denied|InvalidPassword|"
    r"InsufficientPrivilege|authentication failed|password_expired|no pg_hba",
    re.I,
)
NOT_AUTH = re.compile(
    r"refused|timed? ?out|timeout|could not connect|unreachable|no route|closed the connection|too many", re.I
)


def refused_role(facts: Facts, _: Symptoms) -> Iterable[Claim]:
    """The role a service logs in with is refused by a database that otherwise answers."""
    for reading in facts.readings("db_auth"):
        verdict = _what(reading)
        if verdict is None:
            continue
        fault_class, words, condition, strength = verdict
        role = str(reading.values.get("role", ""))
        database = facts.database_of(reading.service) or reading.service
        activity = facts.reading("db_activity", database)
        signs = [of_reading(reading, f"the role {role} of {reading.service} {words}")]
        lines = facts.logs_like(REFUSED)
        if lines:
            signs.append(of_log(lines[-1], "the database refuses the service", len(lines)))
        if activity is not None and activity.values.get("reachable"):
            signs.append(of_reading(activity, "the database answers others: it is the role, not the server"))
        details: dict[str, Any] = {"role": role, "owner": reading.service}
        details["missing"] = reading.values.get("member_of_missing") or reading.values.get("tables_denied") or []
        details |= {
            k: reading.values.get(k) for k in ("exists", "can_login", "login_ok", "valid_until") if k in reading.values
        }
        yield Claim(
            service=database,
            fault_class=fault_class,
            strength=strength,
            direct=True,
            statement=f"The database role {role} that {reading.service} uses {words}.",
            signs=tuple(signs),
            falsify=f"{reading.service} can log in as {role} with its own secret and read its tables",
            probe=("db_auth", reading.service, "login_ok true and nothing missing"),
            findings=(finding(condition, database, reading.service, **details),),
            details=details,
        )


def refused_in_log(facts: Facts, _: Symptoms) -> Iterable[Claim]:
    """Only the log says so: no reading about roles."""
    if facts.readings("db_auth"):
        return
    lines = facts.logs_like(REFUSED)
    if len(lines) >= 2:
        service = facts.database_of(lines[-1].service) or lines[-1].service
        yield Claim(
            service=service,
            fault_class="credential_revoked",
            strength=0.6,
            needs_symptom=True,
            statement=f"{service} refuses credentials, the log of {lines[-1].service} says.",
            signs=(of_log(lines[-1], "the database refuses the service", len(lines)),),
            falsify="the service can log in with its own secret",
            probe=("db_auth", lines[-1].service, "login_ok true"),
        )


def _what(reading: Reading) -> tuple[str, str, Condition, float] | None:
    values = reading.values
    error = f"{values.get('error') or ''}"
    if values.get("exists") is False:
        return "user_dropped", "does not exist any more", Condition.ROLE_CANNOT_LOGIN, 0.96
    if values.get("can_login") is False:
        return "credential_revoked", "may not log in any more", Condition.ROLE_CANNOT_LOGIN, 0.96
    if values.get("login_ok") is False and not NOT_AUTH.search(error):
        return "credential_revoked", "is refused with the service's own secret", Condition.ROLE_CANNOT_LOGIN, 0.94
    if values.get("may_connect") is False:
        return "credential_revoked", "may not connect to the database any more", Condition.ROLE_LACKS_RIGHTS, 0.95
    if values.get("tables_denied"):
        denied = ", ".join(str(t) for t in values["tables_denied"])
        return "credential_revoked", f"may not use {denied} any more", Condition.ROLE_LACKS_RIGHTS, 0.93
    if values.get("member_of_missing"):
        missing = ", ".join(str(m) for m in values["member_of_missing"])
        return "credential_revoked", f"is no longer a member of {missing}", Condition.ROLE_LACKS_RIGHTS, 0.95
    return None


RULES = (refused_role, refused_in_log)
