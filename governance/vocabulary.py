"""The words of policy conditions: typed fields and functions, said once for the guard, the check and the reader."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from domain.action import Effect, Tier
from domain.inventory import Criticality, Environment, Mode


class Kind(StrEnum):
    """What a field holds."""

    CHOICE = "one of"
    TEXT = "text"
    FLAG = "true or false"
    NUMBER = "whole number"
    NAMES = "list of names"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field that a condition may read."""

    kind: Kind
    means: str
    choices: tuple[str, ...] = ()


def _choice(of: type[StrEnum], means: str) -> Field:
    return Field(kind=Kind.CHOICE, means=means, choices=tuple(member.value for member in of))


def _text(means: str) -> Field:
    return Field(kind=Kind.TEXT, means=means)


def _flag(means: str) -> Field:
    return Field(kind=Kind.FLAG, means=means)


def _number(means: str) -> Field:
    return Field(kind=Kind.NUMBER, means=means)


def _names(means: str) -> Field:
    return Field(kind=Kind.NAMES, means=means)


ARGS = "args"
"""The root whose fields each action declares itself (JSON Schema), defaults filled in."""

FIELDS: dict[str, dict[str, Field]] = {
    "action": {
        "name": _text("registered name"),
        "effect": _choice(Effect, "effect class"),
        "binding": _text("aspect of the target that it needs"),
        "undo": _flag("whether it can be taken back"),
    },
    "target": {
        "name": _text("service in the inventory"),
        "kind": _text("api, database, cache, …"),
        "environment": _choice(Environment, "the stricter of the service's and the policy's"),
        "criticality": _choice(Criticality, "how much users suffer when it is down"),
        "mode": _choice(Mode, "how far agents may go there"),
    },
    ARGS: {},
    "agent": {
        "name": _text("agent id"),
        "tier": _choice(Tier, "its tier"),
        "level": _number("its tier as a number, 0 to 4"),
    },
    "change": {
        "id": _text("incident, drill, skill run or deployment"),
        "compensation": _flag("whether it takes something back"),
    },
    "plan": {
        "source": _text("who proposed it: rules, model, a skill, a drill"),
        "revision": _number("1 for the first plan, more for each replan"),
        "steps": _number("how many steps it has"),
    },
    "taint": {
        "args": _names("arguments that stem from untrusted text"),
        "unknown": _names("those of them whose value the inventory does not have"),
    },
}

FUNCTIONS: dict[str, str] = {
    "count": 'count(action, target, "10m"): applications on that target within the window, in flight included',
    "count_kind": 'count_kind(action, kind, "10m"): the same over all targets of an inventory kind',
    "running": "running(action, target): effects in flight on that target now",
    "running_kind": "running_kind(action, kind): the same over all targets of an inventory kind",
}
"""Sequence functions; `"*"` stands for any action, target or kind. Windows are a number with s, m or h, at most 24h."""

DECIDABLE = frozenset({"startsWith", "endsWith", "contains", "size", "has"})
"""Functions of CEL that the static check covers with representative values."""

STANDARD = DECIDABLE | {
    *("matches", "lowerAscii", "upperAscii", "trim", "replace", "split", "join", "substring", "indexOf", "charAt"),
    *("int", "uint", "double", "string", "bool", "bytes", "type", "dyn", "duration", "timestamp", "min", "max"),
    *("getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"),
    *("getHours", "getMinutes", "getSeconds", "getMilliseconds", "optional.of", "optional.none"),
}
"""Functions of CEL itself."""
