"""Situations that a policy may be asked about: representative values of every field that some rule reads, combined."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, assert_never

from domain.action import ActionSpec, Effect
from governance.policycheck.reading import Reading
from governance.vocabulary import ARGS, FIELDS, Field, Kind

Choice = Mapping[str, Mapping[str, Any]]
"""Root → field → value; choices of different dimensions do not overlap."""

ANOTHER = "another"
"""Stands for every text that no rule mentions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """All combinations."""

    dimensions: Sequence[Sequence[Choice]]
    registered: frozenset[str]
    """Names of the actions that exist; the others are what a rule's own words suggest."""

    @property
    def size(self) -> int:
        """How many situations there are, before what happened earlier is taken into account."""
        return prod(len(dimension) for dimension in self.dimensions)

    def situations(self, stride: int = 1) -> Iterator[dict[str, dict[str, Any]]]:
        """Every `stride`-th situation as the fields of a question."""
        for choices in itertools.islice(itertools.product(*self.dimensions), 0, None, stride):
            fields: dict[str, dict[str, Any]] = {}
            for choice in choices:
                for root, values in choice.items():
                    fields.setdefault(root, {}).update(values)
            yield fields


def space(readings: Sequence[Reading], specs: Sequence[ActionSpec]) -> Space:
    """The situations that can make a difference to these rules over these actions."""
    numbers = frozenset(n for reading in readings for n in reading.numbers)
    words = _words(readings)
    dimensions: list[Sequence[Choice]] = [_actions(specs, words, numbers), _taints(words)]
    for root, fields in FIELDS.items():
        if root in {"action", "taint", ARGS}:
            continue
        read = [name for name in fields if (root, name) in words or (root, "") in words]
        dimensions += [
            [{root: {name: value}} for value in _values(fields[name], words.get((root, name), ()), numbers)]
            for name in read
            if (root, name) != ("agent", "level")
        ]
        dimensions.append([{root: {name: _default(fields[name]) for name in fields if name not in read}}])
    return Space(dimensions=[_with_level(d) for d in dimensions], registered=frozenset(spec.name for spec in specs))


def around(numbers: frozenset[int]) -> list[int]:
    """Whole numbers on both sides of every number that a rule compares with."""
    near = {m for n in numbers for m in (n - 1, n, n + 1) if m >= 0}
    return sorted({0, 1} | near)


def _words(readings: Sequence[Reading]) -> dict[tuple[str, str], tuple[str, ...]]:
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for reading in readings:
        for path, literals in reading.literals.items():
            found[path] = tuple(dict.fromkeys([*found.get(path, ()), *literals]))
    return found


def _values(of: Field, literals: Sequence[str], numbers: frozenset[int]) -> list[Any]:
    match of.kind:
        case Kind.CHOICE:
            return list(of.choices)
        case Kind.FLAG:
            return [False, True]
        case Kind.NUMBER:
            return around(numbers)
        case Kind.TEXT:
            return [*literals, ANOTHER]
        case Kind.NAMES:
            return [[], [ANOTHER], *([word] for word in literals)]
        case _:
            assert_never(of.kind)


def _default(of: Field) -> Any:
    return 1 if of.kind is Kind.NUMBER else _values(of, (), frozenset())[0]


def _with_level(dimension: Sequence[Choice]) -> Sequence[Choice]:
    """The tier's level is no choice of its own."""
    return [
        {**choice, "agent": {**choice["agent"], "level": int(choice["agent"]["tier"][1])}}
        if "tier" in choice.get("agent", {})
        else choice
        for choice in dimension
    ]


def _taints(words: Mapping[tuple[str, str], Sequence[str]]) -> list[Choice]:
    """Nothing tainted; something tainted that the inventory knows; something that it does not know."""
    if not any(root == "taint" for root, _ in words):
        return [{"taint": {"args": [], "unknown": []}}]
    literals = [literal for path, some in words.items() if path[0] == "taint" for literal in some]
    some = _values(FIELDS["taint"]["args"], tuple(dict.fromkeys(literals)), frozenset())
    nothing: list[str] = []
    return [
        {"taint": {"args": names, "unknown": unknown}}
        for names in some
        for unknown in ([nothing, names] if names else [nothing])
    ]


def _actions(
    specs: Sequence[ActionSpec], words: Mapping[tuple[str, str], Sequence[str]], numbers: frozenset[int]
) -> list[Choice]:
    """The registered actions, and one for each name that a rule mentions and nobody registered, with every effect."""
    known = {spec.name for spec in specs}
    strange = [name for name in (*words.get(("action", "name"), ()), ANOTHER) if name not in known]
    read = {name for root, name in words if root == ARGS and name}
    rows: list[Choice] = [
        {"action": _facts(spec), ARGS: args} for spec in specs for args in _arguments(spec, read, words, numbers)
    ]
    rows += [{"action": _imagined(name, effect), ARGS: {}} for name in strange for effect in Effect]
    return list({json.dumps(_seen(row, words), sort_keys=True): row for row in reversed(rows)}.values())


def _seen(row: Choice, words: Mapping[tuple[str, str], Sequence[str]]) -> dict[str, Any]:
    """What tells two actions apart for these rules: a name counts by how it meets their words."""
    action = {
        name: value for name, value in row["action"].items() if ("action", name) in words or ("action", "") in words
    }
    if "name" in action:
        action["name"] = [_meets(action["name"], word) for word in words.get(("action", "name"), ())]
    return {"action": action, "args": dict(row[ARGS])}


def _meets(name: str, word: str) -> tuple[bool, bool, bool, bool]:
    return name == word, name.startswith(word), name.endswith(word), word in name


def _facts(spec: ActionSpec) -> dict[str, Any]:
    return {"name": spec.name, "effect": spec.effect.value, "binding": spec.binding, "undo": bool(spec.undo)}


def _imagined(name: str, effect: Effect) -> dict[str, Any]:
    return {"name": name, "effect": effect.value, "binding": ANOTHER, "undo": effect is Effect.REVERSIBLE}


def _arguments(
    spec: ActionSpec, read: set[str], words: Mapping[tuple[str, str], Sequence[str]], numbers: frozenset[int]
) -> list[dict[str, Any]]:
    properties: dict[str, Any] = spec.schema_.get("properties", {})
    names = sorted(name for name in properties if name in read)
    values = [_argument(properties[name], words.get((ARGS, name), ()), numbers) for name in names]
    return [dict(zip(names, combination, strict=True)) for combination in itertools.product(*values)]


def _argument(schema: Mapping[str, Any], literals: Sequence[str], numbers: frozenset[int]) -> list[Any]:
    """Representative values of one argument by its JSON Schema; what has no plain type is taken for a text."""
    if "anyOf" in schema:
        return [value for option in schema["anyOf"] for value in _argument(option, literals, numbers)]
    if "enum" in schema:
        return list(schema["enum"])
    match schema.get("type"):
        case "null":
            return [None]
        case "integer" | "number":
            return _bounded(schema, numbers)
        case "boolean":
            return [False, True]
        case "array":
            return [[], *([literal] for literal in literals), [ANOTHER]]
        case "object":
            return [{}]
        case _:
            return [*literals, ANOTHER]


def _bounded(schema: Mapping[str, Any], numbers: frozenset[int]) -> list[int]:
    bounds = {int(schema[bound]) for bound in ("minimum", "maximum") if bound in schema}
    least, most = schema.get("minimum", float("-inf")), schema.get("maximum", float("inf"))
    return [n for n in around(numbers | bounds) if least <= n <= most]
