"""From what a caller gives to a skill without anything left to fill in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from domain.inventory import Inventory
from skills.folder import Package
from skills.problem import SkillError
from skills.schema import TYPES, HiddenChecks, Parameter, ParameterType, Skill
from skills.words import METACHARACTERS, filled

NAMED_TARGET = ("service", "target", "host", "workload")
"""Parameters that TARGET fills: the first of these that a skill has."""


def target_parameter(skill: Skill) -> str | None:
    """The parameter that TARGET fills, if it has one."""
    return next((n for n in NAMED_TARGET if n in skill.parameters), None)


def arguments(skill: Skill, inventory: Inventory, target: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters with defaults and the target filled in. Raises SkillError that names every wrong one."""
    named = target_parameter(skill)
    found = {n: p.default for n, p in skill.parameters.items()} | dict(given)
    wrong = []
    if target and named:
        found[named] = target
    elif target:
        wrong.append(f"it takes no target, found {target!r}")
    wrong += [text for name, value in found.items() for text in _problems(name, value, skill, inventory)]
    if wrong:
        raise SkillError(
            f"the parameters of {skill.name} do not fit",
            expected=", ".join(f"{n}: {p.type.value}" for n, p in skill.parameters.items()) or "no parameter",
            found="; ".join(wrong),
            hint=f"firebreak skill show {skill.name} says what it takes",
            code="skill.parameters",
        )
    return found


def _problems(name: str, value: Any, skill: Skill, inventory: Inventory) -> Iterator[str]:
    parameter = skill.parameters.get(name)
    if parameter is None:
        yield f"{name} is no parameter"
    elif value is None:
        yield f"{name} must be given"
    elif not isinstance(value, TYPES[parameter.type]) or (
        isinstance(value, bool) and parameter.type is not ParameterType.BOOLEAN
    ):
        yield f"{name} must be a {parameter.type.value}, found {value!r}"
    else:
        yield from _unfit(name, value, parameter, inventory)


def _unfit(name: str, value: Any, parameter: Parameter, inventory: Inventory) -> Iterator[str]:
    if parameter.type is ParameterType.SERVICE:
        service = inventory.service(value)
        if service is None:
            yield f"{name}: {value!r} is not in the inventory ({', '.join(inventory.names())})"
        elif parameter.kinds and service.kind not in parameter.kinds:
            yield f"{name}: {value} is a {service.kind}, expected {' or '.join(parameter.kinds)}"
    elif parameter.type is ParameterType.STRING:
        if METACHARACTERS.search(value):
            yield f"{name}: {value[:60]!r} has characters that a shell would act on"
        elif not re.fullmatch(parameter.pattern, value):
            yield f"{name}: {value[:60]!r} does not match {parameter.pattern!r}"
    elif parameter.type in (ParameterType.INTEGER, ParameterType.NUMBER):
        low, high = parameter.min, parameter.max
        if (low is not None and value < low) or (high is not None and value > high):
            yield f"{name}: {value} is not between {low} and {high}"


def bound(skill: Skill, given: Mapping[str, Any]) -> Skill:
    """The skill with every reference replaced; nothing is left to fill in."""
    document = skill.model_dump(mode="json", exclude={"parameters"}, exclude_unset=True)
    return Skill.model_validate(filled(document, given))


def bound_hidden(package: Package, given: Mapping[str, Any]) -> HiddenChecks:
    """The hidden checks with every reference replaced. For the verifier only."""
    return HiddenChecks.model_validate(filled(package.hidden.model_dump(mode="json", exclude_unset=True), given))
