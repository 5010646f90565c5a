"""Commands as others write them down, one by one, as argument lists; what only a shell understands is refused."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from domain.commands import read_command
from skills.document import read_text
from skills.problem import SkillError
from skills.words import METACHARACTERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One command as it was found."""

    name: str
    argv: tuple[str, ...]
    where: str
    """File and place, for errors."""
    ignored: tuple[str, ...] = ()
    """What else stood there and does not come along."""


def command_list(file: Path) -> list[Line]:
    """One command per line; blank lines and `#` lines are left out. Raises SkillError."""
    rows = [(n, row.strip()) for n, row in enumerate(read_text(file).splitlines(), 1)]
    return [line_of(f"step-{n}", row, f"{file}:{n}") for n, row in rows if row and not row.startswith("#")]


def line_of(name: str, text: str, where: str) -> Line:
    """A line as an argument list; what only a shell understands is refused."""
    if found := METACHARACTERS.search(text):
        raise unclear(where, "a plain command", f"{found[0]!r} in {text[:60]!r}")
    try:
        return checked(name, tuple(shlex.split(text)), where)
    except ValueError as error:
        raise unclear(where, "a plain command", str(error)) from error


def checked(name: str, argv: tuple[str, ...], where: str) -> Line:
    """An argument list whose program is known. Raises SkillError."""
    refused = read_command(argv).refused if argv else "nothing"
    if refused:
        raise unclear(where, "a program that is known", refused)
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "step"
    return Line(name=slug if slug[0].isalpha() else f"step-{slug}", argv=argv, where=where)


def unclear(where: str, expected: str, found: str) -> SkillError:
    """What is refused rather than guessed at."""
    return SkillError(
        f"{where}: its meaning is not clear",
        expected=expected,
        found=found,
        hint="write it as a skill by hand: docs/how-to/add-a-skill.md",
        code="skill.unclear",
    )
