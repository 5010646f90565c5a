"""schema_version: is the database at the revision that the running code expects."""

from __future__ import annotations

from domain.bundle import Reading
from tools.probes.probe import Probe, Shared, bound, reading
from tools.schema import revision_facts
from tools.target import Target


async def _read(target: Target, shared: Shared) -> list[Reading]:
    facts = await revision_facts(target, admin=False)
    current, expected = facts["current"], facts["expected"]
    ok = None if expected is None else current == expected and not facts["dirty"]
    text = f"schema at {current or 'no revision'}, the code expects {expected or 'an undeclared one'}"
    text += f"; pending: {', '.join(facts['pending'])}" if facts["pending"] else ""
    gap = "" if expected else "the inventory declares no expected revision"
    return [reading("schema_version", target, ok=ok, text=text, gap=gap, **facts)]


SCHEMA_VERSION = Probe(name="schema_version", applies=bound("migration"), read=_read)
