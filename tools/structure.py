"""What a database is made of, from PostgreSQL's catalogs: any role may read them, and no row of anybody is looked at."""

from __future__ import annotations

from dataclasses import dataclass

from tools.postgres import connected, rows
from tools.schema import database_dsn
from tools.target import Target

_COLUMNS = """
select c.oid::bigint as object, a.attnum::int as place, n.nspname as schema, c.relname as name, a.attname as part,
       format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as needed,
       coalesce(pg_get_expr(d.adbin, d.adrelid), '') as otherwise
from pg_attribute a
join pg_class c on c.oid = a.attrelid
join pg_namespace n on n.oid = c.relnamespace
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
  and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
order by 3, 4, 2
"""
_RULES = """
select conrelid::regclass::text || '.' || conname as name, pg_get_constraintdef(oid) as said
from pg_constraint where conrelid <> 0 and connamespace::regnamespace::text !~ '^(pg_|information_schema)'
union all
select schemaname || '.' || indexname, indexdef from pg_indexes where schemaname !~ '^(pg_|information_schema)'
order by 1
"""
_ROWS = "select schemaname as schema, relname as name, n_live_tup::bigint as live from pg_stat_user_tables"


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """Tables are named `table`, outside of the schema public `schema.table`."""

    columns: dict[str, str]
    """`table.column` → `object.place type default`. An object's number and a column's place are never given twice
    (pg_attribute: a dropped column keeps its place), so one that was dropped and made again is seen to be another one."""
    rules: dict[str, str]
    """Constraints and indexes → definition."""
    rows: dict[str, int]
    """Table → live rows, as the statistics collector counts them."""


async def structure_of(target: Target) -> Structure:
    """Of the database that the target's migrations are about. Raises ToolError, ToolUnavailableError."""
    async with connected(database_dsn(target, admin=False), read_only=True) as connection:
        columns = await rows(connection, _COLUMNS)
        rules = await rows(connection, _RULES)
        counted = await rows(connection, _ROWS)
    return Structure(
        columns={f"{_table(row)}.{row['part']}": _described(row) for row in columns},
        rules={str(row["name"]).removeprefix("public."): str(row["said"]) for row in rules},
        rows={_table(row): int(row["live"]) for row in counted},
    )


def _table(row: dict[str, object]) -> str:
    return str(row["name"]) if row["schema"] == "public" else f"{row['schema']}.{row['name']}"


def _described(row: dict[str, object]) -> str:
    needed, otherwise = " not null" if row["needed"] else "", f" default {row['otherwise']}" if row["otherwise"] else ""
    return f"{row['object']}.{row['place']} {row['type']}{needed}{otherwise}"
