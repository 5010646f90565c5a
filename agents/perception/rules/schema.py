"""The database schema against what the code expects."""

from __future__ import annotations

import re
from collections.abc import Iterable

from agents.perception.claim import Claim, Sign, finding, of_change, of_log, of_reading
from agents.perception.facts import Facts
from agents.perception.symptoms import Symptoms
from domain.conditions import Condition

UNDEFINED = re.compile(
    r"UndefinedColumn|UndefinedTable|(column|relation|table) \S+( of relation \S+)? does not exist|"
    r"no such (column|table)|unknown column",
    re.I,
)


def wrong_schema(facts: Facts, _: Symptoms) -> Iterable[Claim]:
    """The schema is dirty, ahead of or behind the code."""
    for reading in facts.readings("schema_version"):
        values = reading.values
        current, expected = values.get("current"), values.get("expected")
        missing, pending = values.get("missing_columns") or [], values.get("pending") or []
        dirty = bool(values.get("dirty")) or bool(missing)
        if reading.ok is not False and not dirty and (expected is None or current == expected):
            continue
        if not dirty and current == expected:
            continue
        lines = facts.logs_like(UNDEFINED)
        moved = facts.changes(kinds=("migration",))
        behind = bool(pending) and not dirty
        database = facts.database_of(reading.service) or reading.service
        # A service whose kind is a database is its own database.
        service = reading.service if facts.kind(reading.service) == "database" else database
        failed = dirty or (not behind and current != expected)
        signs: list[Sign] = [of_reading(reading, f"the schema stands at {current}, the code expects {expected}")]
        signs += [of_log(lines[-1], "a query meets a schema it does not know", len(lines))] if lines else []
        signs += [of_change(moved[0], "a migration ran")] if moved else []
        details = {
            "current": current,
            "expected": expected,
            "missing_columns": missing,
            "pending": pending,
            "dirty": dirty,
        }
        condition = Condition.SCHEMA_AHEAD_OR_DIRTY if failed else Condition.SCHEMA_BEHIND
        what = f"missing: {', '.join(map(str, missing))}" if missing else "it is dirty" if dirty else ""
        yield Claim(
            service=service,
            fault_class="failed_migration" if failed else "schema_mismatch",
            strength=(0.93 if dirty else 0.85) if lines else (0.85 if dirty else 0.7),
            direct=True,
            needs_symptom=True,
            statement=f"The schema of {service} is at {current}, the code expects {expected}"
            + (f" ({what})." if what else "."),
            signs=tuple(signs),
            doubts=() if lines else _no_complaint(reading.service, facts),
            falsify=f"the recorded revision is {expected} and every column that the code names exists",
            probe=("schema_version", reading.service, "current equals expected, not dirty"),
            findings=(finding(condition, service, reading.service, **details),),
            details=details,
        )


def undefined_in_log(facts: Facts, _: Symptoms) -> Iterable[Claim]:
    """Only the log says so: queries meet a schema that they do not know."""
    lines = facts.logs_like(UNDEFINED)
    readings = facts.readings("schema_version")
    if len(lines) < 2 or any(r.ok is False for r in readings):
        return
    source = lines[-1].service
    service = facts.database_of(source) or source
    agreed = [r for r in readings if r.ok]
    yield Claim(
        service=service,
        fault_class="schema_mismatch",
        strength=0.55 if not agreed else 0.6,
        needs_symptom=True,
        statement=f"Queries of {source} name tables or columns that {service} does not have.",
        signs=(of_log(lines[-1], "a query meets a schema it does not know", len(lines)),),
        doubts=tuple(of_reading(r, "the recorded revision is the expected one") for r in agreed),
        falsify="the named column exists",
        probe=("schema_version", source, "no missing column"),
    )


def _no_complaint(service: str, facts: Facts) -> tuple[Sign, ...]:
    if not facts.recent_logs:
        return ()
    return (
        Sign(
            kind="log",
            source=f"logs:{service}",
            service=service,
            time=facts.now,
            excerpt=f"{len(facts.recent_logs)} recent lines, none complains about a table or column",
            supports="no query has failed on the schema",
        ),
    )


RULES = (wrong_schema, undefined_in_log)
