"""Roles, database, schema and first data. Done once per database; later starts change nothing of it."""

from __future__ import annotations

import time
from collections.abc import Mapping

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from stack.database.migrate import current, upgrade_or_downgrade
from stack.database.seed import sow

DATABASE = "shop"
GROUP = "shop_rw"
APP_ROLES = ("shop_api", "shop_worker")
MONITOR = "shop_monitor"
HEAD = "0003"
"""The revision that both releases expect."""

PRIVILEGES = f"""
GRANT CONNECT ON DATABASE {{database}} TO {GROUP}, {MONITOR};
GRANT USAGE ON SCHEMA public TO {GROUP}, {MONITOR};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {GROUP};
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {GROUP};
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {GROUP};
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {GROUP};
REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {GROUP};
GRANT SELECT ON alembic_version TO {MONITOR};
"""


def wait_for(server: str, seconds: float) -> None:
    """Until the server takes connections. Raises RuntimeError with its last words."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            psycopg.connect(server, connect_timeout=2).close()
            return
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not answer: {error}") from error
            time.sleep(0.05)


def provision(server: str, dsn: str, passwords: Mapping[str, str], *, first: bool) -> bool:
    """Make the shop's database unless it is there and complete. True when something was made.

    `server` is a DSN of any database of that server, `dsn` that of the shop's. `first`: this stack has not used the
    database yet, so one that an earlier stack left there is taken over: its roles get our passwords, its schema is
    brought up to date. Raises RuntimeError while another stack uses it.
    """
    with psycopg.connect(server, autocommit=True) as conn:
        _create_database(conn, conninfo_to_dict(dsn)["dbname"])
    empty = current(dsn) is None
    if not (empty or first):
        return False
    with psycopg.connect(server, autocommit=True) as conn:
        _refuse_when_used(conn, conninfo_to_dict(dsn)["dbname"])
        _create_roles(conn, passwords)
    upgrade_or_downgrade(dsn, HEAD)
    with psycopg.connect(dsn) as conn:
        name = sql.Identifier(conn.info.dbname)
        for statement in PRIVILEGES.strip().split(";"):
            if statement.strip():
                conn.execute(sql.SQL(statement).format(database=name))
        if empty:
            sow(conn)
    return True


def _refuse_when_used(conn: psycopg.Connection, name: object) -> None:
    """Its roles are the server's: a second stack with other passwords would lock the first one out."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND usename = ANY(%s)"
    row = conn.execute(query, (name, [*APP_ROLES, MONITOR])).fetchone()
    if row and row[0]:
        raise RuntimeError(f"another stack uses the database {name} of this server: stop it, or name another server")


def _create_database(conn: psycopg.Connection, name: object) -> None:
    found = conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
    if found is None:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(str(name))))


def _create_roles(conn: psycopg.Connection, passwords: Mapping[str, str]) -> None:
    existing = {row[0] for row in conn.execute("SELECT rolname FROM pg_roles").fetchall()}
    if GROUP not in existing:
        conn.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(GROUP)))
    for role in (*APP_ROLES, MONITOR):
        verb = "ALTER" if role in existing else "CREATE"
        conn.execute(
            sql.SQL(verb + " ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(passwords[role]))
        )
        group = "pg_monitor" if role == MONITOR else GROUP
        conn.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(role)))
