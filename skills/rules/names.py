"""Everything that a skill names must exist."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator

from domain.action import ActionSpec
from domain.inventory import Service
from skills.rules.flaw import Flaw, Subject, placed
from skills.schema import TYPES, Parameter, ParameterType
from skills.vocabulary import nearest
from skills.words import METACHARACTERS, SERVICE_NAME, references


def unknown_action(subject: Subject) -> Iterator[Flaw]:
    """Actions and undos must be registered, with arguments that they have."""
    known = subject.words.actions
    for number, action in enumerate(subject.skill.actions):
        if action.action is None:
            continue
        at = ("actions", str(number))
        spec = known.get(action.action)
        if spec is None:
            text = f"{action.name}: there is no action {action.action!r}"
            yield Flaw(rule="unknown_action", at=(*at, "action"), text=text, fix=nearest(action.action, known))
        else:
            for text in _argument_flaws(spec, {**action.args, **dict.fromkeys(action.args_from, "${read}")}):
                fix = f"it takes: {', '.join(spec.schema_.get('properties', {})) or 'no arguments'}"
                yield Flaw(rule="wrong_arguments", at=(*at, "args"), text=f"{action.name}: {text}", fix=fix)


def read_arguments(subject: Subject) -> Iterator[Flaw]:
    """What is read must come from a precondition with a probe."""
    sources = {c.name for c in subject.skill.preconditions if c.probe}
    for number, action in enumerate(subject.skill.actions):
        for name, source in action.args_from.items():
            if source.check not in sources:
                text = f"{action.name}: {name} is read from {source.check!r}, which is no precondition with a probe"
                fix = nearest(source.check, sources) if sources else "add a precondition that reads it"
                yield Flaw(rule="read_from_nothing", at=("actions", str(number), "args_from"), text=text, fix=fix)


def _argument_flaws(spec: ActionSpec, args: Mapping[str, Any]) -> list[str]:
    """Arguments that are references are left out: their type is the parameter's."""
    literal = {k: v for k, v in args.items() if not any(references(v))}
    schema = {**spec.schema_, "required": [r for r in spec.schema_.get("required", []) if r not in args]}
    found = Draft202012Validator(schema).iter_errors(literal)
    unknown = [k for k in args if k not in spec.schema_.get("properties", {})]
    return [e.message[:200] for e in found] or [f"{k} is no argument of {spec.name}" for k in unknown]


def unknown_probe(subject: Subject) -> Iterator[Flaw]:
    """Probes must be registered."""
    for one in placed(subject):
        name = one.check.probe
        if name is not None and name not in subject.words.probes:
            text = f"{one.check.name}: there is no probe {name!r}"
            fix = nearest(name, subject.words.probes)
            yield Flaw(rule="unknown_probe", at=(*one.at, "probe"), text=text, fix=fix, file=one.file)


def same_name(subject: Subject) -> Iterator[Flaw]:
    """Reports speak of steps and checks by name."""
    skill = subject.skill
    named = {"actions": [a.name for a in skill.actions], "success_criteria": [c.name for c in skill.success_criteria]}
    for part, names in named.items():
        for number, name in enumerate(names):
            if name in names[:number]:
                text = f"the name {name} stands twice"
                yield Flaw(rule="same_name", at=(part, str(number), "name"), text=text, fix="name each differently")


def parameters(subject: Subject) -> Iterator[Flaw]:
    """Every reference leads to a parameter, every parameter is used and fits its own rules."""
    skill = subject.skill
    used = set(references(skill.model_dump(mode="json", exclude={"parameters"})))
    used |= set(references(subject.package.hidden.model_dump(mode="json")))
    for name in sorted(used - set(skill.parameters)):
        text = f"${{{name}}} is no parameter"
        fix = nearest(name, skill.parameters) if skill.parameters else "declare it under `parameters`"
        yield Flaw(rule="unknown_parameter", at=("parameters",), text=text, fix=fix)
    for name, parameter in skill.parameters.items():
        at = ("parameters", name)
        if name not in used:
            yield Flaw(rule="unused_parameter", at=at, text=f"{name} is used nowhere", fix="remove it")
        if why := _unfit_default(parameter):
            yield Flaw(rule="unfit_default", at=at, text=f"{name}: {why}", fix="give one that a caller might give")
        if parameter.kinds and parameter.type is not ParameterType.SERVICE:
            yield Flaw(
                rule="kinds_of_no_service", at=at, text=f"{name}: only a service has kinds", fix="remove `kinds`"
            )


def _unfit_default(parameter: Parameter) -> str:
    """Why the default is none that the parameter itself would take; empty when it is one."""
    default, kind = parameter.default, parameter.type
    if default is None:
        return ""
    if not isinstance(default, TYPES[kind]) or (isinstance(default, bool) and kind is not ParameterType.BOOLEAN):
        return f"the default {default!r} is no {kind.value}"
    pattern = SERVICE_NAME if kind is ParameterType.SERVICE else parameter.pattern
    if isinstance(default, str) and (METACHARACTERS.search(default) or not _matches(pattern, default)):
        return f"the default {default[:60]!r} does not match {pattern!r}"
    low, high = parameter.min, parameter.max
    outside = not isinstance(default, str) and (
        (low is not None and default < low) or (high is not None and default > high)
    )
    return f"the default {default} is not between {low} and {high}" if outside else ""


def _matches(pattern: str, text: str) -> bool:
    """A pattern that is none is another rule's flaw."""
    try:
        return re.fullmatch(pattern, text) is not None
    except re.error:
        return True


def inventory(subject: Subject) -> Iterator[Flaw]:
    """With an inventory at hand, services named must be in it, and parameters must be able to name something."""
    if subject.words.inventory is None:
        return
    services = subject.words.inventory.services
    for name, parameter in subject.skill.parameters.items():
        default = None if name in subject.given else parameter.default
        if parameter.type is ParameterType.SERVICE and (text := _names_nothing(parameter, default, services)):
            fix = f"the inventory has {', '.join(f'{s.name} ({s.kind})' for s in services)}"
            yield Flaw(rule="names_nothing", at=("parameters", name), text=f"{name}: {text}", fix=fix)
    known = {s.name for s in services}
    for number, action in enumerate(subject.skill.actions):
        if not action.target.startswith("$") and action.target not in known:
            text = f"{action.name}: {action.target!r} is not in the inventory"
            yield Flaw(
                rule="names_nothing",
                at=("actions", str(number), "target"),
                text=text,
                fix=nearest(action.target, known),
            )
    for one in placed(subject):
        service = one.check.service
        if service and not service.startswith("$") and service not in known:
            text = f"{one.check.name}: {service!r} is not in the inventory"
            at, fix = (*one.at, "service"), nearest(service, known)
            yield Flaw(rule="names_nothing", at=at, text=text, fix=fix, file=one.file)


def _names_nothing(parameter: Parameter, default: Any, services: list[Service]) -> str:
    fitting = [s.name for s in services if not parameter.kinds or s.kind in parameter.kinds]
    if not fitting:
        return f"no service is of kind {' or '.join(parameter.kinds)}"
    if default is not None and default not in fitting:
        return f"the default {default!r} is no such service"
    return ""


RULES = (unknown_action, read_arguments, unknown_probe, same_name, parameters, inventory)
