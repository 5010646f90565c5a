"""Which migration a database is at, and which ones the code ships."""

from __future__ import annotations

import ast
import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.errors import ToolError
from tools.postgres import Identifier, compose, connected, rows
from tools.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One migration file."""

    id: str
    down: str | None


async def revision_facts(target: Target, *, admin: bool) -> dict[str, Any]:
    """{current, expected, dirty, pending, known} of the database that the target's migrations are about.

    `dirty` is true when the version table names several revisions, none, or one that lies beyond what is expected.
    `admin` uses the administrator's DSN (only the action server has it), else the monitor's.
    """
    binding = target.binding("migration")
    expected = str(target.option(binding, "expected") or "") or None
    chain = await asyncio.to_thread(revisions, target.option(binding, "versions_dir"))
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


def revisions(directory: str | None) -> list[Revision]:
    """The migrations in a directory, oldest first; reads `revision` and `down_revision` without running anything."""
    if not directory:
        return []
    found = {r.id: r for r in map(_revision, sorted(Path(directory).glob("*.py"))) if r is not None}
    follower = {r.down: r for r in found.values()}
    chain: list[Revision] = []
    step = follower.get(None)
    while step is not None and step not in chain:
        chain.append(step)
        step = follower.get(step.id)
    return chain


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
    return Revision(id=str(values["revision"]), down=values.get("down_revision")) if "revision" in values else None


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
