"""What a migration's SQL does to data, to locks and to the other version of the code (PostgreSQL's rules)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from contracts.finding import Mark

logging.getLogger("sqlglot").setLevel(logging.ERROR)
_MOST_STATEMENTS = 500
_SHOWN = 80
_HARMLESS = ("SET", "RESET", "COMMENT", "ANALYZE", "BEGIN", "COMMIT", "START", "SELECT", "SHOW", "LISTEN", "NOTIFY")
_QUIET = (exp.Set, exp.Transaction, exp.Commit, exp.Rollback, exp.Comment, exp.Analyze, exp.Use)
_RIGHTS = ("GRANT", "REVOKE", "ALTER ROLE", "CREATE ROLE", "ALTER DEFAULT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What one statement does."""

    line: int
    """Of the text it was read from, 1-based."""
    said: str
    points: float
    marks: frozenset[Mark]


def facts_of(sql: str, first_line: int = 1) -> list[Fact]:
    """One fact per thing that a statement does; what is not understood is a fact of its own. Never raises."""
    try:
        tokens = sqlglot.tokenize(sql, dialect="postgres")
    except SqlglotError as error:
        return [_opaque(first_line, f"not readable as SQL ({str(error).splitlines()[0][:_SHOWN]})")]
    statements = list(_statements(tokens))
    made = {name for s in statements[:_MOST_STATEMENTS] for name in _created(_parsed(sql, s))}
    facts = [f for s in statements[:_MOST_STATEMENTS] for f in _of(sql, s, made)]
    if len(statements) > _MOST_STATEMENTS:
        facts.append(_opaque(1, f"{len(statements) - _MOST_STATEMENTS} more statements were not looked at"))
    return [Fact(line=f.line + first_line - 1, said=f.said, points=f.points, marks=f.marks) for f in facts]


def _statements(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    current: list[Token] = []
    for token in tokens:
        if token.token_type is TokenType.SEMICOLON:
            if current:
                yield current
            current = []
        else:
            current.append(token)
    if current:
        yield current


def _parsed(sql: str, statement: list[Token]) -> exp.Expr | None:
    try:
        return sqlglot.parse_one(sql[statement[0].start : statement[-1].end + 1], dialect="postgres")
    except (SqlglotError, RecursionError):
        return None


def _created(tree: exp.Expr | None) -> Iterator[str]:
    if isinstance(tree, exp.Create) and tree.args.get("kind") == "TABLE" and (table := tree.find(exp.Table)):
        yield table.name


def _of(sql: str, statement: list[Token], made: set[str]) -> Iterator[Fact]:
    line, tree = statement[0].line, _parsed(sql, statement)
    words = " ".join(sql[statement[0].start : statement[-1].end + 1].split())
    if tree is None or isinstance(tree, exp.Command):
        yield from _unparsed(line, words)
        return
    table = tree.find(exp.Table)
    if table is not None and table.name in made and not isinstance(tree, exp.Create | exp.Drop):
        return  # what happens to a table that did not exist before hurts nobody
    for said, points, marks in _effects(tree, made):
        yield Fact(line=line, said=said, points=points, marks=frozenset({Mark.SCHEMA, *marks}))


Effect = tuple[str, float, set[Mark]]


def _effects(tree: exp.Expr, made: set[str]) -> Iterator[Effect]:
    if isinstance(tree, exp.Alter):
        yield from _altered(tree)
    elif isinstance(tree, exp.Create):
        yield from _made(tree, made)
    elif isinstance(tree, exp.Drop):
        yield from _dropped(tree)
    elif isinstance(tree, exp.TruncateTable):
        yield f"truncates {_names(tree)}", 65, {Mark.DROPS_DATA}
    elif isinstance(tree, exp.Grant | exp.Revoke):
        yield f"changes rights on {_names(tree)}", 25, set()
    elif isinstance(tree, exp.Insert | exp.Update | exp.Delete | exp.Merge | exp.Query):
        yield from _written(tree)
    elif not isinstance(tree, _QUIET):
        yield f"a statement that is not understood ({type(tree).__name__})", 45, {Mark.OPAQUE}


def _written(tree: exp.Expr) -> Iterator[Effect]:
    """Rows, also those that a `WITH` writes beside a query."""
    for part in tree.find_all(exp.Delete, exp.Update, exp.Insert, exp.Merge):
        table = _names(part)
        if isinstance(part, exp.Delete):
            yield f"deletes rows of {table}", 55, {Mark.DROPS_DATA}
        elif isinstance(part, exp.Insert):
            yield f"adds rows to {table}", 12, set()
        else:
            yield f"rewrites rows of {table}", 40, {Mark.REWRITES_DATA, Mark.LOCKS_TABLE}


def _altered(tree: exp.Alter) -> Iterator[Effect]:
    table = _names(tree)
    if str(tree.args.get("kind") or "").upper() == "INDEX":
        yield f"alters index {table}", 12, set()
        return
    for action in tree.args.get("actions") or ():
        handler = _ACTIONS.get(type(action), _other_action)
        yield from handler(action, table, bool(tree.args.get("not_valid")))


def _added_column(action: exp.Expr, table: str, not_valid: bool) -> Iterator[Effect]:
    kinds = [c.args.get("kind") for c in action.args.get("constraints") or ()]
    required = any(isinstance(k, exp.NotNullColumnConstraint) and not k.args.get("allow_null") for k in kinds)
    default = any(isinstance(k, exp.DefaultColumnConstraint | exp.GeneratedAsIdentityColumnConstraint) for k in kinds)
    default = default or "SERIAL" in str(action.args.get("kind") or "").upper()
    if required and not default:
        said = f"adds {table}.{action.name} as NOT NULL without a default: the old version's inserts fail"
        yield said, 50, {Mark.BREAKS_OLD_CODE, Mark.NEEDS_NEW_SCHEMA, Mark.LOCKS_TABLE}
    else:
        yield f"adds {table}.{action.name}", 15, {Mark.ADDITIVE, Mark.NEEDS_NEW_SCHEMA}


def _dropped_part(action: exp.Expr, table: str, not_valid: bool) -> Iterator[Effect]:
    kind = str(action.args.get("kind") or "").lower()
    name = next((t.name for t in action.args.get("tables") or ()), action.name)
    if kind == "column":
        yield f"drops {table}.{name} and what is in it", 60, {Mark.DROPS_DATA, Mark.BREAKS_OLD_CODE}
    else:
        yield f"drops {kind or 'a part'} {name} of {table}", 20, set()


def _altered_column(action: exp.Expr, table: str, not_valid: bool) -> Iterator[Effect]:
    column = f"{table}.{action.name}"
    if action.args.get("dtype"):
        yield (
            f"changes the type of {column}: the table is rewritten under a lock",
            50,
            {Mark.REWRITES_DATA, Mark.LOCKS_TABLE},
        )
    elif action.args.get("allow_null") is False:
        said = f"makes {column} NOT NULL: the whole table is checked under a lock"
        yield said, 40, {Mark.LOCKS_TABLE, Mark.BREAKS_OLD_CODE}
    else:
        yield f"changes {column}", 12, set()


def _renamed(action: exp.Expr, table: str, not_valid: bool) -> Iterator[Effect]:
    to = action.args.get("to") or action.this
    said = f"renames {table}{'.' + action.this.name if isinstance(action, exp.RenameColumn) else ''} to {to.name}"
    yield f"{said}: the old version does not find it", 55, {Mark.BREAKS_OLD_CODE, Mark.NEEDS_NEW_SCHEMA}


def _added_constraint(action: exp.Expr, table: str, not_valid: bool) -> Iterator[Effect]:
    if not_valid:
        yield f"adds a constraint to {table}, not validated", 12, set()
    else:
        yield f"adds a constraint to {table}: existing rows are checked under a lock", 30, {Mark.LOCKS_TABLE}


def _other_action(action: exp.Expr, table: str, not_valid: bool) -> Iterator[Effect]:
    yield f"alters {table} in a way that is not understood ({type(action).__name__})", 30, {Mark.OPAQUE}


_ACTIONS: dict[type[exp.Expr], Callable[[exp.Expr, str, bool], Iterator[Effect]]] = {
    exp.ColumnDef: _added_column,
    exp.Drop: _dropped_part,
    exp.AlterColumn: _altered_column,
    exp.RenameColumn: _renamed,
    exp.AlterRename: _renamed,
    exp.AddConstraint: _added_constraint,
}


def _made(tree: exp.Create, made: set[str]) -> Iterator[Effect]:
    kind = str(tree.args.get("kind") or "").upper()
    if kind == "INDEX":
        yield from _index(tree, made)
    elif kind == "TABLE":
        yield f"makes table {_names(tree)}", 12, {Mark.ADDITIVE, Mark.NEEDS_NEW_SCHEMA}
    elif tree.args.get("replace") or kind in ("FUNCTION", "PROCEDURE", "TRIGGER"):
        yield f"makes or replaces a {kind.lower()}: what it does was not read", 30, {Mark.OPAQUE}
    else:
        yield f"makes a {kind.lower() or 'thing'}", 10, {Mark.ADDITIVE}


def _index(tree: exp.Create, made: set[str]) -> Iterator[Effect]:
    index, table = tree.this.name, _names(tree)
    if table in made:
        return
    if tree.args.get("concurrently"):
        yield f"builds index {index} on {table} concurrently", 10, {Mark.ADDITIVE}
    else:
        yield f"builds index {index} on {table} while writers wait", 35, {Mark.INDEX_BLOCKS, Mark.LOCKS_TABLE}


def _dropped(tree: exp.Drop) -> Iterator[Effect]:
    kind = str(tree.args.get("kind") or "").lower()
    if kind in ("table", "schema", "database"):
        yield f"drops {kind} {_names(tree)} and what is in it", 65, {Mark.DROPS_DATA, Mark.BREAKS_OLD_CODE}
    elif kind in ("index", "constraint"):
        yield f"drops {kind} {_names(tree)}", 20, set()
    else:
        yield f"drops {kind} {_names(tree)}", 40, {Mark.BREAKS_OLD_CODE}


def _unparsed(line: int, words: str) -> Iterator[Fact]:
    upper = words.upper()
    if upper.startswith(_HARMLESS) or "VALIDATE CONSTRAINT" in upper:
        return
    if upper.startswith(_RIGHTS):
        yield Fact(line=line, said=f"changes rights: {words[:_SHOWN]}", points=25, marks=frozenset({Mark.SCHEMA}))
    else:
        yield _opaque(line, f"not understood: {words[:_SHOWN]}")


def _opaque(line: int, said: str) -> Fact:
    return Fact(line=line, said=said, points=45, marks=frozenset({Mark.SCHEMA, Mark.OPAQUE}))


def _names(tree: exp.Expr) -> str:
    return next((t.name for t in tree.find_all(exp.Table) if t.name), "something")
