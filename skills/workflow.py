"""Workflows of commands as StackStorm (Orquesta `tasks`, ActionChain `chain`) and others (`steps`) write them.

Only one path of plain commands is taken over. In the first two the order is what `next` or `on-success` says, not where a task
stands; a branch, a loop, another identity or a key that is not known here would change what the procedure means.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from skills.document import parse, read_text
from skills.lines import Line, checked, line_of, unclear

COMMAND = ("command", "cmd", "run", "shell")
TOLD = ("name", "id", "description", "doc", "tags")
"""What is said about a step and does not change it."""
CALLED = ("action", "ref", "uses", "input", "parameters")
ONWARD = ("next", "on-success")
ELSEWHERE = ("hosts", "timeout")
"""Left out, and said so: where a skill runs and how long a step may take is decided here."""
_SUCCEEDED = re.compile(r"<%\s*succeeded\(\)\s*%>")


def workflow(file: Path) -> list[Line]:
    """Its commands in the order in which they run. Raises SkillError."""
    document = parse(read_text(file), str(file))
    key = next((key for key in ("steps", "tasks", "chain") if document.get(key)), "")
    if not key:
        raise _nothing(document, str(file))
    rows = _rows(document[key], str(file))
    names = list(rows)
    if key != "steps" or any(word in row for row in rows.values() for word in ONWARD):
        names = _path(rows, str(file), str(document.get("default") or ""))
    return [_step(name, rows[name], f"{file}: step {name}") for name in names]


def _nothing(document: Mapping[str, Any], file: str) -> Exception:
    bundle = (document.get("spec") or {}).get("codeBundle") if isinstance(document.get("spec"), Mapping) else None
    found = f"keys {', '.join(document)}"
    if isinstance(bundle, Mapping):
        found = f"a reference to {bundle.get('pathToRobot', 'a code bundle')}; the commands stand there"
    return unclear(file, "`steps`, `tasks` or `chain` with commands", found)


def _rows(found: Any, file: str) -> dict[str, Mapping[str, Any]]:
    """Name → step, in the order of the file."""
    numbered = enumerate(found, 1) if isinstance(found, list) else ()
    pairs = list(found.items()) if isinstance(found, dict) else [(f"step-{n}", row) for n, row in numbered]
    rows: dict[str, Mapping[str, Any]] = {}
    for name, row in pairs:
        if not isinstance(row, Mapping):
            raise unclear(f"{file}: step {name}", "a mapping with a command", type(row).__name__)
        title = str(row.get("name") or name)
        if title in rows:
            raise unclear(f"{file}: step {title}", "one step of that name", "two")
        rows[title] = row
    if not rows:
        raise unclear(file, "a list or a mapping of steps", type(found).__name__)
    return rows


def _path(rows: Mapping[str, Mapping[str, Any]], file: str, default: str) -> list[str]:
    """The one path through all steps. Raises SkillError where there is none."""
    after = {name: list(_onward(row, f"{file}: step {name}")) for name, row in rows.items()}
    reached = {name for names in after.values() for name in names}
    starts = [name for name in rows if name not in reached]
    path = starts[:1]
    while path and len(after[path[-1]]) == 1 and (name := after[path[-1]][0]) in rows and name not in path:
        path.append(name)
    if len(path) < len(rows) or after[path[-1]] or (default or path[0]) != path[0]:
        told = "; ".join(f"{name} → {', '.join(names) or 'the end'}" for name, names in after.items())
        raise unclear(file, "one path through all steps (`next`, `on-success`)", told[:300])
    return path


def _onward(row: Mapping[str, Any], where: str) -> Iterator[str]:
    """Names of the steps that begin when this one succeeded."""
    if name := row.get("on-success"):
        yield str(name)
    for way in row.get("next") or []:
        if not isinstance(way, Mapping) or not _SUCCEEDED.fullmatch(str(way.get("when", "<% succeeded() %>")).strip()):
            raise unclear(where, "what follows on success only", f"a branch: {way}"[:120])
        wanted = way.get("do") or []
        yield from [part.strip() for part in wanted.split(",")] if isinstance(wanted, str) else map(str, wanted)


def _step(name: str, row: Mapping[str, Any], where: str) -> Line:
    action, inline = _called(row, where)
    given = {**inline, **_table(row, "input", where), **_table(row, "parameters", where)}
    given |= {key: value for key, value in row.items() if key not in (*TOLD, *CALLED, *ONWARD)}
    said = next((given[key] for key in COMMAND if key in given), None)
    words = said if isinstance(said, list) and all(isinstance(word, str) for word in said) else None
    if words is None and not isinstance(said, str):
        raise unclear(where, f"a command under one of {', '.join(COMMAND)}", (action or ", ".join(sorted(row)))[:80])
    if odd := next((key for key in given if key not in (*COMMAND, *ELSEWHERE)), None):
        raise unclear(where, "a plain command", f"{odd}: {given[odd]}"[:120])
    found = checked(name, tuple(words), where) if words is not None else line_of(name, str(said), where)
    return replace(found, ignored=tuple(key for key in ELSEWHERE if key in given))


def _table(row: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    found = row.get(key) or {}
    if not isinstance(found, Mapping):
        raise unclear(where, f"`{key}` as a mapping", type(found).__name__)
    return found


def _called(row: Mapping[str, Any], where: str) -> tuple[str, dict[str, str]]:
    """The action that is called, and what is given to it in the same line: `core.local cmd="uptime"`."""
    text = str(row.get("action") or row.get("ref") or row.get("uses") or "")
    try:
        head, *given = shlex.split(text) or [""]
    except ValueError as error:
        raise unclear(where, "an action with its parameters", str(error)) from error
    pairs = [part.partition("=") for part in given]
    if lone := [key for key, mark, _ in pairs if not mark]:
        raise unclear(where, "parameters as key=value", ", ".join(lone)[:80])
    return head, {key: value for key, _, value in pairs}
