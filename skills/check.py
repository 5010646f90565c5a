"""What is read and what must be found: the one form of preconditions, success criteria and hidden checks."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field, model_validator

from domain.value import Value
from skills.words import Argv, Name, Reference, parsed

Scalar = str | int | float | bool
Path = Annotated[str, Field(max_length=200, pattern=r"^[A-Za-z0-9_.\-\[\]*]*$")]
"""Keys and `[index]` or `[*]` (any) joined by dots: `routes.proxy-db.roundtrip_ms`, `items[*].status.phase`."""


class Expectation(Value):
    """What must be true of what was read. Everything that is given must hold."""

    path: Path = ""
    """Which value of a reading or of JSON output; empty: the reading's own verdict, or the whole output."""
    ok: bool | None = None
    """The probe's own verdict."""
    exit_code: int | None = Field(default=None, ge=0, le=255)
    equals: Scalar | None = None
    contains: Annotated[str, Field(max_length=500)] | None = None
    matches: Annotated[str, Field(max_length=200)] | None = None
    """A regular expression, searched for."""
    min: float | None = None
    max: float | None = None
    absent: bool | None = None
    """True: the path must lead nowhere."""

    @model_validator(mode="after")
    def _meaningful(self) -> Expectation:
        if not (self.model_fields_set - {"path"}):
            raise ValueError("expected at least one of ok, exit_code, equals, contains, matches, min, max, absent")
        if self.matches is not None:
            try:
                re.compile(self.matches)
            except re.error as error:
                raise ValueError(f"expected a regular expression, found {self.matches!r}: {error}") from error
        return self

    @property
    def about_value(self) -> bool:
        """Whether it says anything about a value, beyond how a program or probe ended."""
        wanted = (self.equals, self.contains, self.matches, self.min, self.max, self.absent)
        return any(part is not None for part in wanted)


class Check(Value):
    """One look from outside. Exactly one of `probe`, `command` and `promql`."""

    name: Name
    probe: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] | None = None
    """A registered read-only probe …"""
    service: Reference | None = None
    """… of this service; for a command the host that it runs on."""
    where: dict[str, Scalar] = {}
    """Only readings whose values have these, e.g. `name: checkout` of `http_health`. All that are left must hold."""
    command: Argv | None = None
    """An argument list for the runner of the target; read-only."""
    promql: Annotated[str, Field(max_length=2000)] | None = None
    """An expression; every sample that comes back must be in range, and there must be one."""
    expect: Expectation
    within_s: float = Field(default=0.0, ge=0, le=600)
    """How long it may take until it holds, in seconds."""
    hold_s: float = Field(default=0.0, ge=0, le=120)
    """How long it must hold without a break, in seconds."""

    @model_validator(mode="after")
    def _one_source(self) -> Check:
        given = [name for name in ("probe", "command", "promql") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"expected exactly one of probe, command, promql; found {', '.join(given) or 'none'}")
        if (self.service is None) == (self.promql is None):
            raise ValueError("expected `service` with a probe or command, and none with promql")
        if self.probe is None and self.where:
            raise ValueError("`where` belongs to a probe; found it without one")
        return self


def values_at(document: Any, path: str) -> list[Any]:
    """All values that a path leads to; none when it leads nowhere."""
    found = [document]
    for part in re.findall(r"[^.\[\]]+|\[(?:\d+|\*)\]", path):
        found = [child for value in found for child in _children(value, part)]
    return found


def _children(value: Any, part: str) -> list[Any]:
    if part == "[*]":
        return list(value) if isinstance(value, list) else []
    if part.startswith("["):
        index = int(part[1:-1])
        return [value[index]] if isinstance(value, list) and index < len(value) else []
    return [value[part]] if isinstance(value, dict) and part in value else []


def holds(expect: Expectation, values: list[Any]) -> bool | None:
    """Whether every value fits; None when there is none to judge (and none was expected)."""
    if expect.absent is not None:
        return expect.absent is not bool(values)
    if not values:
        return None
    return all(_fits(expect, value) for value in values)


def _fits(expect: Expectation, value: Any) -> bool:
    text = value if isinstance(value, str) else str(parsed(value))
    number = _number(value)
    return all(
        (
            expect.equals is None or _equal(expect.equals, value),
            expect.contains is None or expect.contains in text,
            expect.matches is None or re.search(expect.matches, text) is not None,
            expect.min is None or (number is not None and number >= expect.min),
            expect.max is None or (number is not None and number <= expect.max),
        )
    )


def _equal(wanted: Scalar, value: Any) -> bool:
    if isinstance(wanted, bool) or isinstance(value, bool):
        return wanted is value
    if isinstance(wanted, str) and not isinstance(value, str):
        return wanted == str(parsed(value))
    return bool(wanted == value)


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(str(value).strip())
    except ValueError:
        return None
