"""Migrations by the conventions of their tools: Alembic, Django, Flyway, and plain files that come in pairs.

Alembic: `upgrade()` and `downgrade()` calling `op.…` (alembic.sqlalchemy.org, Operation Reference). Django: a `Migration`
class with `operations`. Flyway: `V…__name.sql` with `U…__name.sql` as its undo. golang-migrate: `….up.sql` and
`….down.sql`. goose and dbmate: both ways in one file, between comment marks.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from contracts.change.files import ChangedFile, at
from contracts.change.orm import alembic_facts, django_facts
from contracts.change.sql import Fact, facts_of
from contracts.finding import Finding, Mark
from domain.risk import FactorName

_FOLDERS = {"migrations", "migration", "migrate", "versions", "alembic", "flyway", "liquibase", "db-migrations"}
_FLYWAY = re.compile(r"^v[\d._]+__.+\.sql$", re.IGNORECASE)
_UNDO = re.compile(r"^u[\d._]+__.+\.sql$|\.down\.sql$|[._-](down|rollback|revert)\.sql$", re.IGNORECASE)
_DOWN_MARK = re.compile(r"^--\s*(\+goose\s+down|migrate:down|\+migrate\s+down)\b.*$", re.IGNORECASE | re.MULTILINE)


def is_migration(file: ChangedFile) -> bool:
    """By its place and name; what it holds decides what is said about it."""
    if file.suffix == ".sql":
        return True
    text = file.after or file.before or ""
    return (
        file.suffix == ".py" and not _FOLDERS.isdisjoint(file.folders) and ("upgrade(" in text or "Migration" in text)
    )


def migration_findings(files: Iterable[ChangedFile]) -> Iterator[Finding]:
    """Every statement of every new or edited migration, with its line."""
    migrations = [f for f in files if is_migration(f)]
    undone = {_stem(f.name) for f in migrations if _UNDO.search(f.name) and f.status != "D"}
    for file in migrations:
        if not _UNDO.search(file.name):
            yield from _one(file, undone)


def read_migration(path: str, text: str) -> list[Finding]:
    """What one new migration does, wherever it lies."""
    return list(_one(ChangedFile(path=path, old_path=path, status="A", after=text), set()))


def _one(file: ChangedFile, undone: set[str]) -> Iterator[Finding]:
    if file.status == "D":
        yield _finding(
            file,
            Fact(
                line=1,
                said="a migration is deleted: what ran stays, what did not will not",
                points=30,
                marks=frozenset({Mark.SCHEMA, Mark.OPAQUE}),
            ),
        )
        return
    if file.status in "MRC" and file.changed:
        said = "a migration that may already have run is edited: databases that ran it will differ"
        yield _finding(file, Fact(line=_first(file), said=said, points=35, marks=frozenset({Mark.SCHEMA, Mark.OPAQUE})))
    if file.after is None:
        if file.kind != "text":
            yield _finding(
                file,
                Fact(
                    line=1,
                    said="a migration that could not be read",
                    points=45,
                    marks=frozenset({Mark.SCHEMA, Mark.OPAQUE}),
                ),
            )
        return
    facts, down = _read(file, file.after, undone)
    yield from (_finding(file, fact) for fact in facts)
    if facts and not down:
        said = "nothing takes this migration back"
        yield _finding(file, Fact(line=1, said=said, points=20, marks=frozenset({Mark.SCHEMA, Mark.NO_DOWN})))


def _read(file: ChangedFile, text: str, undone: set[str]) -> tuple[list[Fact], bool]:
    """What it does, and whether there is a way back."""
    if file.suffix == ".py":
        return _python(text)
    parts = _DOWN_MARK.split(text, maxsplit=1)
    back = (len(parts) > 1 and bool(facts_of(parts[-1]))) or _stem(file.name) in undone
    return facts_of(parts[0]), back


def _python(text: str) -> tuple[list[Fact], bool]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError) as error:
        said = f"a migration that is no readable Python ({str(error)[:80]})"
        return [Fact(line=1, said=said, points=45, marks=frozenset({Mark.SCHEMA, Mark.OPAQUE}))], False
    if any(isinstance(node, ast.ClassDef) and node.name == "Migration" for node in tree.body):
        return django_facts(tree)
    return alembic_facts(tree)


def _stem(name: str) -> str:
    """What a migration and its undo have in common."""
    plain = re.sub(r"\.(up|down)\.sql$|[._-](up|down|rollback|revert)\.sql$|\.sql$", "", name, flags=re.IGNORECASE)
    return plain[1:] if _FLYWAY.match(name) or re.match(r"^u[\d._]+__", name, re.IGNORECASE) else plain


def _first(file: ChangedFile) -> int:
    return file.lines_added[0][0] if file.lines_added else 1


def _finding(file: ChangedFile, fact: Fact) -> Finding:
    where = [at(file, [fact.line])]
    return Finding(factor=FactorName.SCHEMA, points=fact.points, reason=fact.said, where=where, marks=fact.marks)
