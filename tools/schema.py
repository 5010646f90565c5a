"""Which migration a database is at, and which ones the code ships."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.errors import ConfigError, ToolError
from tools.postgres import Identifier, compose, connected, rows
from tools.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One migration file."""

    id: str
    down: str | None
    path: Path


async def revision_facts(target: Target, *, admin: bool) -> dict[str, Any]:
    """{current, expected, dirty, pending, known} of the database that the target's migrations are about.

    `dirty` is true when the version table names several revisions, none, or one that lies beyond what is expected.
    `admin` uses the administrator's DSN (only the action server has it), else the monitor's.
    """
    binding = target.binding("migration")
    expected = str(target.option(binding, "expected") or "") or None
    chain = await asyncio.to_thread(revisions, folders(target))
    found = await _current(target, admin=admin)
    current = found[0] if len(found) == 1 else ",".join(found) or None
    ids = [r.id for r in chain]
    pending = _between(ids, current, expected)
    return {
        "current": current,
        "expected": expected,
        "dirty": len(found) != 1 or _beyond(ids, current, expected),
        "pending": pending,
        "known": ids,
    }


def folders(target: Target) -> list[str]:
    """Where the target's migrations lie, by `versions_dir` of its binding: one folder or several."""
    found = target.option(target.binding("migration"), "versions_dir") or []
    return [str(found)] if isinstance(found, str) else [str(folder) for folder in found]


def revisions(directories: Sequence[str]) -> list[Revision]:
    """The migrations in some folders, oldest first; reads `revision` and `down_revision` without running anything.

    Where two follow the same one, the chain goes on with that of the later folder.
    """
    follower = {r.down: r for r in _all(directories).values()}
    chain: list[Revision] = []
    step = follower.get(None)
    while step is not None and step not in chain:
        chain.append(step)
        step = follower.get(step.id)
    return chain


def coming(directories: Sequence[str], current: str, wanted: str) -> list[Revision]:
    """What has to run from one revision to a later one, oldest first. Without `wanted`: the only one that follows.

    Raises ConfigError when it is not clear which ones.
    """
    known = _all(directories)
    followers = [r.id for r in known.values() if r.down == current]
    if not wanted and len(followers) != 1:
        raise ConfigError(
            "it is not clear which migration is meant",
            expected="a revision by name (--revision)",
            found=f"after {current} come {', '.join(followers) or 'none'}",
            code="request.invalid",
        )
    step, way = known.get(wanted or followers[0]), list[Revision]()
    while step is not None and step.id != current and step not in way:
        way.append(step)
        step = known.get(step.down or "")
    if step is None or not way:
        raise ConfigError(
            f"{wanted or 'nothing'} does not follow {current}",
            expected=f"one of {', '.join(known) or 'no migration at all'} that comes after {current}",
            found=wanted or "none",
            hint="bring the environment to the schema that the change starts from, and its migrations into its folder",
            code="request.invalid",
        )
    return way[::-1]


def _all(directories: Sequence[str]) -> dict[str, Revision]:
    files = [file for folder in directories for file in sorted(Path(folder).glob("*.py"))]
    return {r.id: r for r in map(_revision, files) if r is not None}


def _revision(path: Path) -> Revision | None:
    try:
        tree = ast.parse(path.read_text())
    except (OSError, SyntaxError, ValueError):
        return None
    values: dict[str, Any] = {}
    for node in tree.body:
        target = (
            node.targets[0]
            if isinstance(node, ast.Assign)
            else node.target
            if isinstance(node, ast.AnnAssign)
            else None
        )
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if isinstance(target, ast.Name) and isinstance(value, ast.Constant):
            values[target.id] = value.value
    if "revision" not in values:
        return None
    return Revision(id=str(values["revision"]), down=values.get("down_revision"), path=path)


async def _current(target: Target, *, admin: bool) -> list[str]:
    dsn = database_dsn(target, admin=admin)
    table = str(target.option(target.binding("migration"), "table", "alembic_version"))
    query = compose("select version_num from {} order by 1", Identifier(*table.split(".")))
    async with connected(dsn, read_only=True) as connection:
        return [str(row["version_num"]) for row in await rows(connection, query)]


def database_dsn(target: Target, *, admin: bool) -> str:
    """The DSN of the database the target uses. Raises ToolError when the inventory or the environment lacks it."""
    place = target.database()
    if place is None:
        raise ToolError(
            f"{target.name} depends on no service with a database binding",
            expected="depends_on leading to a database",
            found=", ".join(target.service.depends_on) or "nothing",
            code="tool.no_binding",
        )
    binding = place.binding("database")
    if admin:
        return target.variable(binding.dsn_env, "administrator's DSN")
    return target.variable(str(binding.options.get("monitor_dsn_env", "")), "monitor's DSN")


def _beyond(ids: list[str], current: str | None, expected: str | None) -> bool:
    if expected is None or current is None or current == expected:
        return False
    if current in ids and expected in ids:
        return ids.index(current) > ids.index(expected)
    return current not in ids


def _between(ids: list[str], current: str | None, expected: str | None) -> list[str]:
    if expected not in ids:
        return []
    first = ids.index(current) + 1 if current in ids else 0
    return ids[first : ids.index(expected) + 1]
