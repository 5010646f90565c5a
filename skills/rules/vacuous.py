"""Criteria that cannot fail are no criteria."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from domain.commands import read_command
from skills.check import Check, Expectation
from skills.rules.flaw import Flaw, Placed, Subject, placed, proofs


def constant_command(subject: Subject) -> Iterator[Flaw]:
    """`echo ok` and its like say nothing about the world."""
    for one in placed(subject):
        if one.check.command and read_command(one.check.command).constant:
            text = f"{one.check.name}: `{one.check.command[0]}` ends the same way whatever the system is like"
            yield _flaw(
                "constant_command", one, "command", text, "read something that differs when the system is broken"
            )


def exit_code_only(subject: Subject) -> Iterator[Flaw]:
    """Exit 0 of a program that reads a value says that it could be read, not what it is."""
    for one in proofs(subject):
        command, expect = one.check.command, one.check.expect
        if command and not expect.about_value and not read_command(command).exit_code_answers:
            text = f"{one.check.name}: exit code alone is no evidence about what `{command[0]}` read"
            yield _flaw("exit_code_only", one, "expect", text, "add equals, contains, matches, min or max")


def everything_fits(subject: Subject) -> Iterator[Flaw]:
    """An expectation that every value meets."""
    for one in placed(subject):
        if why := _always(one.check.expect):
            text = f"{one.check.name}: {why}"
            yield _flaw("everything_fits", one, "expect", text, "expect what a broken system would not show")


def costly_pattern(subject: Subject) -> Iterator[Flaw]:
    """A repeated group that repeats inside takes for ever on the wrong text."""
    for one in placed(subject):
        if re.search(r"\([^()]*[+*}][^()]*\)[+*{]", one.check.expect.matches or ""):
            text = f"{one.check.name}: the pattern repeats a repetition"
            yield _flaw("costly_pattern", one, "expect", text, "write it without nested + or *")


def held_before(subject: Subject) -> Iterator[Flaw]:
    """What a precondition demands cannot prove that a change worked."""
    before = [_meaning(check) for check in subject.skill.preconditions]
    if not subject.skill.mutating:
        return
    for one in proofs(subject):
        if _meaning(one.check) in before:
            text = f"{one.check.name}: holds before the first action already, a precondition demands it"
            yield _flaw("held_before", one, "name", text, "demand what only the repaired system shows")


def repeated(subject: Subject) -> Iterator[Flaw]:
    """A hidden check that stands among the visible ones hides nothing."""
    visible = [_meaning(check) for check in subject.skill.success_criteria]
    for one in proofs(subject):
        if one.file == "hidden" and _meaning(one.check) in visible:
            text = f"{one.check.name}: is a success criterion already, so anybody can aim at it"
            yield _flaw("hidden_is_visible", one, "name", text, "check a side effect that nobody would think of")


def _always(expect: Expectation) -> str:
    if expect.contains == "":
        return "every text contains the empty text"
    if expect.matches is not None and re.search(expect.matches, ""):
        return f"the pattern {expect.matches!r} fits the empty text, so it fits any"
    if expect.min is not None and expect.min <= -1e15 and expect.max is None:
        return f"every number is at least {expect.min:g}"
    if expect.max is not None and expect.max >= 1e15 and expect.min is None:
        return f"every number is at most {expect.max:g}"
    return ""


def _meaning(check: Check) -> dict[str, Any]:
    return check.model_dump(mode="json", exclude={"name", "within_s", "hold_s"})


def _flaw(rule: str, one: Placed, field: str, text: str, fix: str) -> Flaw:
    return Flaw(rule=rule, at=(*one.at, field), text=text, fix=fix, file=one.file)


RULES = (constant_command, exit_code_only, everything_fits, costly_pattern, held_before, repeated)
