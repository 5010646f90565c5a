"""Migrations that are Python: what Alembic's `op` calls and Django's operations do, read without running them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from contracts.change.sql import Fact, facts_of
from contracts.finding import Mark

_Meaning = tuple[str, float, frozenset[Mark]]


def _meaning(said: str, points: float, *marks: Mark) -> _Meaning:
    return said, points, frozenset({Mark.SCHEMA, *marks})


_ALEMBIC: dict[str, _Meaning] = {
    "create_table": _meaning("makes table", 12, Mark.ADDITIVE, Mark.NEEDS_NEW_SCHEMA),
    "drop_table": _meaning("drops table and what is in it:", 65, Mark.DROPS_DATA, Mark.BREAKS_OLD_CODE),
    "drop_column": _meaning("drops a column and what is in it:", 60, Mark.DROPS_DATA, Mark.BREAKS_OLD_CODE),
    "rename_table": _meaning(
        "renames a table, the old version does not find it:", 55, Mark.BREAKS_OLD_CODE, Mark.NEEDS_NEW_SCHEMA
    ),
    "drop_index": _meaning("drops index", 20),
    "drop_constraint": _meaning("drops constraint", 20),
    "create_foreign_key": _meaning("adds a foreign key, existing rows are checked under a lock:", 30, Mark.LOCKS_TABLE),
    "create_check_constraint": _meaning("adds a check, existing rows are checked under a lock:", 30, Mark.LOCKS_TABLE),
    "create_unique_constraint": _meaning(
        "adds a unique constraint, built under a lock:", 35, Mark.LOCKS_TABLE, Mark.INDEX_BLOCKS
    ),
    "create_primary_key": _meaning("adds a primary key, built under a lock:", 35, Mark.LOCKS_TABLE, Mark.INDEX_BLOCKS),
    "bulk_insert": _meaning("adds rows", 12),
    "create_table_comment": _meaning("comments table", 1),
}
_DJANGO: dict[str, _Meaning] = {
    "CreateModel": _meaning("makes the table of", 12, Mark.ADDITIVE, Mark.NEEDS_NEW_SCHEMA),
    "DeleteModel": _meaning("drops the table of", 65, Mark.DROPS_DATA, Mark.BREAKS_OLD_CODE),
    "RemoveField": _meaning("drops a column and what is in it:", 60, Mark.DROPS_DATA, Mark.BREAKS_OLD_CODE),
    "RenameField": _meaning(
        "renames a column, the old version does not find it:", 55, Mark.BREAKS_OLD_CODE, Mark.NEEDS_NEW_SCHEMA
    ),
    "RenameModel": _meaning(
        "renames a table, the old version does not find it:", 55, Mark.BREAKS_OLD_CODE, Mark.NEEDS_NEW_SCHEMA
    ),
    "AlterModelTable": _meaning(
        "renames a table, the old version does not find it:", 55, Mark.BREAKS_OLD_CODE, Mark.NEEDS_NEW_SCHEMA
    ),
    "AddIndex": _meaning("builds an index while writers wait:", 35, Mark.INDEX_BLOCKS, Mark.LOCKS_TABLE),
    "AddIndexConcurrently": _meaning("builds an index concurrently:", 10, Mark.ADDITIVE),
    "RemoveIndex": _meaning("drops an index:", 20),
    "RemoveIndexConcurrently": _meaning("drops an index:", 20),
    "AddConstraint": _meaning("adds a constraint, existing rows are checked under a lock:", 30, Mark.LOCKS_TABLE),
    "RemoveConstraint": _meaning("drops a constraint:", 20),
    "AlterField": _meaning(
        "changes a column, its table may be rewritten under a lock:", 45, Mark.LOCKS_TABLE, Mark.OPAQUE
    ),
    "AlterUniqueTogether": _meaning(
        "changes a unique constraint, built under a lock:", 35, Mark.LOCKS_TABLE, Mark.INDEX_BLOCKS
    ),
    "AlterModelOptions": _meaning("changes options of", 1),
    "AlterModelManagers": _meaning("changes managers of", 1),
}
_ROWS = _meaning("runs Python over rows, which was not followed", 40, Mark.REWRITES_DATA, Mark.OPAQUE)
_UNKNOWN = ("not understood:", 45.0, frozenset({Mark.SCHEMA, Mark.OPAQUE}))


_HANDS = ("op", "batch_op")
"""Names by which a migration calls Alembic's operations."""


def alembic_facts(tree: ast.Module) -> tuple[list[Fact], bool]:
    """What `upgrade()` does, and whether `downgrade()` does anything."""
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    upgrade, downgrade = functions.get("upgrade"), functions.get("downgrade")
    calls = [call for call in _calls(upgrade) if _receiver(call) in _HANDS]
    made = {word for call in calls if _name(call) == "create_table" for word in _strings(call)[:1]}
    old = [call for call in calls if _name(call) == "create_table" or made.isdisjoint(_strings(call))]
    facts = [f for call in old for f in _alembic(call)]
    return facts, any(_receiver(call) in _HANDS for call in _calls(downgrade))


def django_facts(tree: ast.Module) -> tuple[list[Fact], bool]:
    """What the operations do, and whether Django can reverse them all."""
    facts: list[Fact] = []
    back = True
    for call in _operations(tree):
        found, reversible = _django(call)
        facts += found
        back = back and reversible
    return facts, back


def _alembic(call: ast.Call) -> Iterator[Fact]:
    name = _name(call)
    if name == "execute":
        yield from _sql(call.args[0] if call.args else None, call.lineno)
    elif name in ("add_column", "create_index", "alter_column"):
        yield _fact(call, _by_arguments(name, call))
    elif name not in ("get_bind", "get_context", "batch_alter_table", "f", "invoke", "inline_literal"):
        yield _fact(call, _ALEMBIC.get(name, (f"{_UNKNOWN[0]} op.{name}", _UNKNOWN[1], _UNKNOWN[2])))


def _by_arguments(name: str, call: ast.Call) -> _Meaning:
    given = {k.arg: k.value for k in call.keywords}
    if name == "create_index":
        return _DJANGO["AddIndexConcurrently" if _is(given.get("postgresql_concurrently"), True) else "AddIndex"]
    if name == "add_column":
        column = next((a for a in call.args if isinstance(a, ast.Call)), None)
        return _column(column, required=_keyword_is(column, "nullable", False), filled=_has(column, "server_default"))
    if "new_column_name" in given:
        return _DJANGO["RenameField"]
    if "type_" in given:
        return _meaning(
            "changes a column's type, its table is rewritten under a lock:", 50, Mark.REWRITES_DATA, Mark.LOCKS_TABLE
        )
    if _is(given.get("nullable"), False):
        return _meaning("makes a column NOT NULL, checked under a lock:", 40, Mark.LOCKS_TABLE, Mark.BREAKS_OLD_CODE)
    return _meaning("changes a column:", 12)


def _column(column: ast.Call | None, *, required: bool, filled: bool) -> _Meaning:
    if column is not None and required and not filled:
        said = "adds a NOT NULL column without a default, the old version's inserts fail:"
        return _meaning(said, 50, Mark.BREAKS_OLD_CODE, Mark.NEEDS_NEW_SCHEMA, Mark.LOCKS_TABLE)
    return _meaning("adds a column:", 15, Mark.ADDITIVE, Mark.NEEDS_NEW_SCHEMA)


def _django(call: ast.Call) -> tuple[list[Fact], bool]:
    name = _name(call)
    given = {k.arg: k.value for k in call.keywords}
    if name == "RunSQL":
        return list(_sql(given.get("sql", call.args[0] if call.args else None), call.lineno)), len(
            call.args
        ) > 1 or "reverse_sql" in given
    if name == "RunPython":
        return [_fact(call, _ROWS)], len(call.args) > 1 or "reverse_code" in given
    if name == "AddField":
        field = next((v for v in (*call.args, *given.values()) if isinstance(v, ast.Call)), None)
        nullable = _keyword_is(field, "null", True)
        filled = _has(field, "db_default")  # `default` fills old rows, but not what the old version inserts
        return [_fact(call, _column(field, required=not nullable, filled=filled))], True
    if name == "SeparateDatabaseAndState":
        return [_fact(call, (f"{_UNKNOWN[0]} {name}", _UNKNOWN[1], _UNKNOWN[2]))], False
    return [_fact(call, _DJANGO.get(name, (f"{_UNKNOWN[0]} {name}", _UNKNOWN[1], _UNKNOWN[2])))], True


def _sql(node: ast.expr | None, line: int) -> Iterator[Fact]:
    text = _text(node)
    if text is None:
        yield Fact(line=line, said="SQL that is put together when it runs was not read", points=45, marks=_UNKNOWN[2])
    else:
        yield from facts_of(text, node.lineno if node is not None else line)


def _text(node: ast.expr | None) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Call) and _name(node) == "text" and node.args:
        return _text(node.args[0])
    return None


def _operations(tree: ast.Module) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "operations" for t in node.targets):
            yield from (item for item in getattr(node.value, "elts", ()) if isinstance(item, ast.Call))


def _calls(function: ast.FunctionDef | None) -> list[ast.Call]:
    found = (node for node in ast.walk(function) if isinstance(node, ast.Call)) if function else ()
    return sorted(found, key=lambda call: call.lineno)


def _receiver(call: ast.Call) -> str:
    return call.func.value.id if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) else ""


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _fact(call: ast.Call, meaning: _Meaning) -> Fact:
    said = f"{meaning[0]} {'.'.join(_strings(call)[:2])}".strip()[:160]
    return Fact(line=call.lineno, said=said, points=meaning[1], marks=meaning[2])


def _strings(call: ast.Call) -> list[str]:
    given = (*call.args, *(k.value for k in call.keywords))
    return [v.value for v in given if isinstance(v, ast.Constant) and isinstance(v.value, str)]


def _is(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _keyword_is(call: ast.Call | None, name: str, value: bool) -> bool:
    return call is not None and any(k.arg == name and _is(k.value, value) for k in call.keywords)


def _has(call: ast.Call | None, name: str) -> bool:
    return call is not None and any(k.arg == name for k in call.keywords)
