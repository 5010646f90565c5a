"""Procedures from elsewhere, as far as their meaning is clear, and ours for elsewhere.

A list of commands or a workflow of commands (StackStorm's `tasks`, RunWhen's `steps`) says what is run, never what it does
or when it is done. Effects are inferred; what cannot be split into an argument list, and a procedure without anything that
says when it is done, is refused.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.action import Effect
from domain.commands import read_command
from skills.document import parse, read_text
from skills.folder import HIDDEN, PROCEDURE, PROSE, Package
from skills.problem import SkillError
from skills.schema import HiddenChecks, Skill
from skills.template import Draft
from skills.text import written
from skills.words import METACHARACTERS

_CMD_KEYS = ("command", "cmd", "run", "shell")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One command as it was found."""

    name: str
    argv: tuple[str, ...]
    where: str
    """File and place, for errors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the source cannot say."""

    name: str
    intent: str
    host: str
    """Service of the inventory with a `host` binding."""
    owner: str = "imported"
    done_when: tuple[str, ...] = ()
    """Commands whose exit code says that it is done."""


def command_list(file: Path) -> list[Line]:
    """One command per line; blank lines and `#` lines are left out. Raises SkillError."""
    rows = [(n, row.strip()) for n, row in enumerate(read_text(file).splitlines(), 1)]
    return [_line(f"step-{n}", row, f"{file}:{n}") for n, row in rows if row and not row.startswith("#")]


def workflow(file: Path) -> list[Line]:
    """`steps`, `tasks` or `chain`, a list or a mapping in order, each with a command. Raises SkillError."""
    document = parse(read_text(file), str(file))
    found = next((document[key] for key in ("steps", "tasks", "chain") if document.get(key)), None)
    rows = list(found.items()) if isinstance(found, dict) else [("", row) for row in found or []]
    if not rows:
        raise _unclear(str(file), "`steps`, `tasks` or `chain` with commands", f"keys {', '.join(document)}")
    return [_step(number, name, row, file) for number, (name, row) in enumerate(rows, 1)]


def _step(number: int, name: str, row: Any, file: Path) -> Line:
    where = f"{file}: step {number}"
    if not isinstance(row, Mapping):
        raise _unclear(where, "a mapping with a command", type(row).__name__)
    inside = row.get("input") or row.get("parameters") or row
    places = [place for place in (row, inside) if isinstance(place, Mapping)]
    said = next((place[key] for place in places for key in _CMD_KEYS if key in place), None)
    title = str(row.get("name") or name or f"step-{number}")
    if isinstance(said, list) and all(isinstance(word, str) for word in said):
        return _checked(title, tuple(said), where)
    if not isinstance(said, str):
        what = str(row.get("action") or row.get("uses") or sorted(row))[:80]
        raise _unclear(where, f"a command under one of {', '.join(_CMD_KEYS)}", what)
    return _line(title, said, where)


def _line(name: str, text: str, where: str) -> Line:
    """A line as an argument list; what only a shell understands is refused."""
    if found := METACHARACTERS.search(text):
        raise _unclear(where, "a plain command", f"{found[0]!r} in {text[:60]!r}")
    try:
        return _checked(name, tuple(shlex.split(text)), where)
    except ValueError as error:
        raise _unclear(where, "a plain command", str(error)) from error


def _checked(name: str, argv: tuple[str, ...], where: str) -> Line:
    refused = read_command(argv).refused if argv else "nothing"
    if refused:
        raise _unclear(where, "a program that is known", refused)
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "step"
    return Line(name=slug if slug[0].isalpha() else f"step-{slug}", argv=argv, where=where)


def drafted(lines: Sequence[Line], wanted: Wanted) -> Draft:
    """Changing commands become actions, answering ones (`test`, `kubectl wait`) criteria; others only read and are left out.

    Raises SkillError when nothing says when it is done.
    """
    done = [_line(f"done-{n}", text, "--done-when") for n, text in enumerate(wanted.done_when, 1)]
    criteria = [x for x in (*lines, *done) if read_command(x.argv).exit_code_answers and _reads(x)]
    actions = [x for x in lines if not _reads(x)]
    if not criteria:
        raise _unclear(wanted.name, "a command whose exit code says that it is done", "none: name one with --done-when")
    left = [x for x in lines if _reads(x) and x not in criteria]
    skill = Skill.model_validate(
        {
            "name": wanted.name,
            "version": "0.1.0",
            "intent": wanted.intent,
            "metadata": _metadata(wanted, actions, [*criteria, *actions]),
            "actions": [_action(x, n, wanted.host) for n, x in enumerate(actions, 1)],
            "success_criteria": [_criterion(x, n, wanted.host) for n, x in enumerate(criteria, 1)],
            "irreversible": "imported: nothing in the source says how it is taken back" if actions else "",
        }
    )
    notes = tuple(f"{x.where}: `{shlex.join(x.argv)}` only reads and expects nothing; it was left out" for x in left)
    return Draft(skill=skill, hidden=HiddenChecks(), by="import", notes=notes)


def _reads(line: Line) -> bool:
    return read_command(line.argv).effect is Effect.READ


def _metadata(wanted: Wanted, actions: Sequence[Line], used: Sequence[Line]) -> dict[str, Any]:
    return {
        "stage": "recovery" if actions else "diagnosis",
        "category": "action" if actions else "analysis",
        "risk_level": "high" if actions else "none",
        "mutability": "mutating" if actions else "read_only",
        "target_kind": "host",
        "required_tools": sorted({read_command(x.argv).program for x in used}),
        "owner": wanted.owner,
    }


def _action(line: Line, number: int, host: str) -> dict[str, Any]:
    effect = read_command(line.argv).effect or Effect.IRREVERSIBLE
    name = f"{line.name[:50]}-{number}"
    return {"name": name, "command": list(line.argv), "target": host, "effect": effect.value}


def _criterion(line: Line, number: int, host: str) -> dict[str, Any]:
    expect = {"exit_code": 0}
    return {"name": f"{line.name[:50]}-{number}", "command": list(line.argv), "service": host, "expect": expect}


def exported(package: Package, skill: Skill, form: str, out: Path) -> list[Path]:
    """Write a skill for others: `agentskills` (the folder), `commands` (a list), `workflow` (steps). Raises SkillError."""
    if form == "agentskills":
        return _copied(package, out / skill.name)
    steps = [(a.name, a.command) for a in skill.actions if a.command]
    if len(steps) < len(skill.actions) or not steps:
        raise SkillError(
            f"{skill.name} cannot be written as {form}",
            expected="actions that are commands",
            found=", ".join(a.action for a in skill.actions if a.action) or "no action",
            hint="registered actions of Firebreak mean nothing elsewhere; export it as agentskills",
        )
    file = out / f"{skill.name}.{'txt' if form == 'commands' else 'yaml'}"
    out.mkdir(parents=True, exist_ok=True)
    if form == "commands":
        head = f"# {skill.intent}\n"
        file.write_text(head + "".join(f"{shlex.join(argv)}\n" for _, argv in steps))
    else:
        rows = [{"name": name, "command": list(argv)} for name, argv in steps]
        file.write_text(written({"name": skill.name, "description": skill.intent, "steps": rows}))
    return [file]


def _copied(package: Package, target: Path) -> list[Path]:
    if target.exists():
        raise SkillError(f"{target} is there already", expected="a new folder", found="one that exists")
    found = []
    for name in (PROSE, PROCEDURE, HIDDEN):
        if (package.folder / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            found.append(Path(shutil.copyfile(package.folder / name, target / name)))
    return found


def _unclear(where: str, expected: str, found: str) -> SkillError:
    return SkillError(
        f"{where}: its meaning is not clear",
        expected=expected,
        found=found,
        hint="write it as a skill by hand: docs/how-to/add-a-skill.md",
        code="skill.unclear",
    )
