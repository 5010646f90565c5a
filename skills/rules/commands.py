"""Commands are argument lists of known programs; nothing in them is meant for a shell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from domain.commands import read_command
from skills.rules.flaw import Flaw, Subject, Where, placed
from skills.schema import ParameterType
from skills.words import METACHARACTERS, unreferenced


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """A command with its place."""

    name: str
    argv: tuple[str, ...]
    at: Where
    file: Literal["procedure", "hidden"] = "procedure"

    def flaw(self, rule: str, text: str, fix: str) -> Flaw:
        """A flaw of this command."""
        return Flaw(rule=rule, at=self.at, text=f"{self.name}: {text}", fix=fix, file=self.file)


def commands(subject: Subject) -> Iterator[Called]:
    """Every command of actions, rollbacks and checks."""
    for number, action in enumerate(subject.skill.actions):
        if action.command:
            yield Called(name=action.name, argv=action.command, at=("actions", str(number), "command"))
    for number, undo in enumerate(subject.skill.rollback):
        if undo.command:
            at = ("rollback", str(number), "command")
            yield Called(name=f"rollback of {undo.undoes}", argv=undo.command, at=at)
    for one in placed(subject):
        if one.check.command:
            yield Called(name=one.check.name, argv=one.check.command, at=(*one.at, "command"), file=one.file)


def metacharacters(subject: Subject) -> Iterator[Flaw]:
    """`;`, `|`, `$(`, redirections: no argument needs them."""
    for called in commands(subject):
        for word in called.argv:
            if found := METACHARACTERS.search(unreferenced(word)):
                text = f"{found[0]!r} in {word[:40]!r} is meant for a shell, and there is none"
                fix = "write one argument per list item; run two commands as two actions"
                yield called.flaw("shell_metacharacters", text, fix)


def interpreters(subject: Subject) -> Iterator[Flaw]:
    """`sh -c`, `python -c`, `xargs`: nothing can be known about what they run."""
    for called in commands(subject):
        if why := read_command(called.argv).refused:
            yield called.flaw("interpreter", why, "call the program itself, with its arguments as a list")


def program_is_no_parameter(subject: Subject) -> Iterator[Flaw]:
    """Who may choose the program may do anything."""
    for called in commands(subject):
        fixed = 2 if read_command(called.argv).verb else 1
        if any("${" in word for word in called.argv[:fixed]):
            yield called.flaw(
                "program_is_parameter", "a parameter stands where the program or its verb does", "write it out"
            )


def required_tools(subject: Subject) -> Iterator[Flaw]:
    """Every program that is called is declared, so that the gate can see whether it is there."""
    declared = set(subject.skill.metadata.required_tools)
    used = {read_command(called.argv).program for called in commands(subject)}
    for program in sorted(used - declared):
        text = f"{program} is called but not among required_tools"
        yield Flaw(rule="undeclared_tool", at=("metadata", "required_tools"), text=text, fix=f"add {program}")


def loose_patterns(subject: Subject) -> Iterator[Flaw]:
    """A string parameter that allows shell characters or a leading dash opens what the lists closed."""
    for name, parameter in subject.skill.parameters.items():
        if parameter.type is not ParameterType.STRING:
            continue
        try:
            let_in = [c for c in _TRIALS if re.fullmatch(parameter.pattern, c)]
        except re.error as error:
            let_in = [str(error)]
        if let_in:
            text = f"{name}: the pattern lets {let_in[0]!r} in"
            fix = "allow letters, digits and . _ : / - only, beginning with a letter or digit"
            yield Flaw(rule="loose_pattern", at=("parameters", name), text=text, fix=fix)


_TRIALS = ("; rm", "$(id)", "--force", "a|b", "`id`", "../x")

RULES = (metacharacters, interpreters, program_is_no_parameter, required_tools, loose_patterns)
