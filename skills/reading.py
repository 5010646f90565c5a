"""Arguments that only the system can tell: taken from the readings of preconditions, before anything is judged."""

from __future__ import annotations

from typing import Any

from skills.bench import Bench
from skills.check import values_at
from skills.schema import Action, FromReading, Skill


async def read_arguments(skill: Skill, bench: Bench) -> dict[str, dict[str, Any]]:
    """Action → its read arguments; an argument that nothing tells is left out, and the action's own check refuses it."""
    found: dict[str, dict[str, Any]] = {}
    for action in skill.actions:
        values = {name: await _values(source, skill, bench) for name, source in action.args_from.items()}
        found[action.name] = {n: v if _takes_many(action, n, bench) else v[0] for n, v in values.items() if v}
    return {name: args for name, args in found.items() if args}


async def _values(source: FromReading, skill: Skill, bench: Bench) -> list[Any]:
    check = next(c for c in skill.preconditions if c.name == source.check)
    assert check.probe is not None, "the validator demands it"
    assert check.service is not None, "the schema demands it"
    rows = await bench.probes.run([check.probe], [check.service])
    return [value for row in rows for value in values_at(dict(row.values), source.path)]


def _takes_many(action: Action, argument: str, bench: Bench) -> bool:
    spec = bench.words.actions.get(action.action or "")
    properties: dict[str, Any] = spec.schema_.get("properties", {}) if spec else {}
    return bool(properties.get(argument, {}).get("type") == "array")
