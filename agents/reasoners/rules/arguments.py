"""Filling an action's typed arguments from a finding's facts and the target's binding options. Never from free text.

An argument takes the fact of its own name. A few arguments name a choice that is not the present state (another route,
a larger pool); `_CHOICES` says how such a choice is read off the facts, by argument name, for whichever action has it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from domain.action import ActionSpec

Facts = Mapping[str, Any]
Options = Mapping[str, Any]


def fill(spec: ActionSpec, facts: Facts, options: Options) -> dict[str, Any] | None:
    """The arguments, or None when a required one cannot be known."""
    properties: Mapping[str, Any] = spec.schema_.get("properties", {})
    args: dict[str, Any] = {}
    for name, schema in properties.items():
        value = _wanted(name, schema, facts, options)
        if value is not None and _fits(value, schema, spec.schema_):
            args[name] = value
    missing = [name for name in spec.schema_.get("required", []) if name not in args]
    return None if missing else args


def fill_undo(spec: ActionSpec, facts: Facts) -> dict[str, Any] | None:
    """The arguments that would bring back what the facts say is there now; None when the facts do not say."""
    properties: Mapping[str, Any] = spec.schema_.get("properties", {})
    args = {name: _present(name, facts) for name in properties}
    known = {n: v for n, v in args.items() if v is not None and _fits(v, properties[n], spec.schema_)}
    return None if [n for n in spec.schema_.get("required", []) if n not in known] else known


def _wanted(name: str, schema: Mapping[str, Any], facts: Facts, options: Options) -> Any:
    choose = _CHOICES.get(name)
    if choose is not None:
        return choose(schema, facts, options)
    return facts.get(name)


def _present(name: str, facts: Facts) -> Any:
    aliases = {"route": "current", "revision": "current", "size": "size", "provider": "provider", "version": "version"}
    return facts.get(aliases.get(name, name))


def _pids(schema: Mapping[str, Any], facts: Facts, options: Options) -> Any:
    return facts.get("pids") or [b["pid"] for b in facts.get("blockers") or [] if "pid" in b] or None


def _route(schema: Mapping[str, Any], facts: Facts, options: Options) -> Any:
    measured: Mapping[str, Any] = facts.get("routes") or {}
    names = list(measured) or list(options.get("routes") or {})
    if facts.get("current") is None and not measured:
        return None
    others = [n for n in names if n != facts.get("current")]
    healthy = [n for n in others if not (measured.get(n) or {}).get("error")]
    return min(healthy, key=lambda n: _delay(measured.get(n)), default=None)


def _delay(measured: Any) -> float:
    value = (measured or {}).get("roundtrip_ms") or (measured or {}).get("connect_ms")
    return float(value) if isinstance(value, int | float) else float("inf")


def _size(schema: Mapping[str, Any], facts: Facts, options: Options) -> Any:
    now = facts.get("size")
    if not isinstance(now, int) or now < 1:
        return None
    ceiling = min(int(options.get("max", 10 * now)), int(schema.get("maximum", 10 * now)))
    wanted = min(max(3 * now, now + int(facts.get("waiting") or 0)), ceiling)
    return wanted if wanted > now else None


def _provider(schema: Mapping[str, Any], facts: Facts, options: Options) -> Any:
    if facts.get("provider") is None:
        return None
    names = facts.get("providers") or options.get("providers") or schema.get("enum") or []
    return next((n for n in names if n != facts.get("provider")), None)


def _revision(schema: Mapping[str, Any], facts: Facts, options: Options) -> Any:
    return facts.get("revision") or facts.get("expected") or options.get("expected")


def _version(schema: Mapping[str, Any], facts: Facts, options: Options) -> Any:
    return facts.get("last_good") or facts.get("previous") or None


_CHOICES: dict[str, Callable[[Mapping[str, Any], Facts, Options], Any]] = {
    "pids": _pids,
    "route": _route,
    "size": _size,
    "provider": _provider,
    "revision": _revision,
    "version": _version,
}

_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": (list, tuple),
    "object": Mapping,
}


def _fits(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    """Whether a value has the JSON type that the schema wants; unions match any of theirs."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[-1]
        return _fits(value, root.get("$defs", {}).get(name, {}), root)
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return any(_fits(value, one, root) for one in schema[union])
    if "enum" in schema and value not in schema["enum"]:
        return False
    wanted = schema.get("type")
    if wanted is None:
        return True
    if isinstance(value, bool) and wanted != "boolean":
        return False
    if isinstance(value, str) and "pattern" in schema and not re.search(str(schema["pattern"]), value):
        return False
    return isinstance(value, _TYPES.get(str(wanted), object))
