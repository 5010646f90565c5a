"""Procedures from elsewhere, as far as their meaning is clear, and ours for elsewhere.

Commands say what is run, never what it does or when it is done. Effects are inferred; a procedure without anything that says
when it is done is refused.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.action import Effect
from domain.commands import read_command
from skills.folder import PROCEDURE, PROSE, Package
from skills.lines import Line, line_of, unclear
from skills.problem import Problem, SkillError
from skills.schema import HiddenChecks, Skill
from skills.template import Draft
from skills.text import written
from skills.validate import usable


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


def drafted(lines: Sequence[Line], wanted: Wanted) -> Draft:
    """Changing commands become actions, answering ones (`test`, `kubectl wait`) criteria; others only read and are left out.

    Raises SkillError when nothing says when it is done.
    """
    done = [line_of(f"done-{n}", text, "--done-when") for n, text in enumerate(wanted.done_when, 1)]
    criteria = [x for x in (*lines, *done) if read_command(x.argv).exit_code_answers and _reads(x)]
    actions = [x for x in lines if not _reads(x)]
    if not criteria:
        raise unclear(wanted.name, "a command whose exit code says that it is done", "none: name one with --done-when")
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
    notes = [f"{x.where}: `{shlex.join(x.argv)}` only reads and expects nothing; it was left out" for x in left]
    notes += [f"{x.where}: {key} was left out; it runs on {wanted.host}" for x in lines for key in x.ignored]
    return Draft(skill=skill, hidden=HiddenChecks(), by="import", notes=tuple(notes))


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
        return _copied(package.folder, out / skill.name)
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


def taken_over(package: Package | None, problems: Sequence[Problem], out: Path) -> tuple[list[Problem], list[str]]:
    """An agentskills folder as it is, below `out`: (what forbids it, what is to be said). Raises SkillError where one is.

    Tools that another agent may use mean nothing here: they are left out where nothing is run, and refused where something is.
    """
    foreign = [p for p in problems if p.rule == "unknown_tool" and package is not None and package.skill is None]
    left = [p for p in problems if p not in foreign]
    if package is None or not usable(left):
        return left, []
    target = out / package.front.name
    _copied(package.folder, target)
    if foreign:
        front = package.front.model_dump(by_alias=True, exclude={"allowed_tools"}, exclude_defaults=True)
        (target / PROSE).write_text(f"---\n{written(front)}---\n{package.body}", encoding="utf-8")
    notes = [f"{p.file}:{p.line}: {p.text}; Firebreak has no such tool, it was left out" for p in foreign]
    if package.skill is None:
        notes.append(f"{package.front.name} has no {PROCEDURE}: it is a runbook, found and read, never run")
    return left, notes


def _copied(folder: Path, target: Path) -> list[Path]:
    """Everything that lies in the folder; what it may hold was looked at when it was read."""
    if target.exists():
        raise SkillError(f"{target} is there already", expected="a new folder", found="one that exists")
    shutil.copytree(folder, target, symlinks=True)
    return sorted(path for path in target.rglob("*") if path.is_file())
