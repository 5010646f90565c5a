"""Copies of the shop's database: taken while it serves, put back by swapping databases."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from urllib.parse import unquote

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from stack.database.binaries import find
from stack.database.migrate import current


class SnapshotError(Exception):
    """The snapshot could not be taken or put back; says what the program said."""


def take(dsn: str, target: Path) -> str | None:
    """Dump into `target`; the revision it holds. Raises SnapshotError."""
    revision = current(dsn)
    temporary = target.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    try:
        _run("pg_dump", dsn, "--format=custom", "--compress=1", f"--file={temporary}", f"--dbname={_plain(dsn)}")
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return revision


def restore(server: str, dsn: str, source: Path) -> str | None:
    """Load beside the present database, then swap; the former one is dropped. The revision that is current now."""
    name = str(conninfo_to_dict(dsn)["dbname"])
    fresh, former = f"{name}_restoring", f"{name}_former"
    with psycopg.connect(server, autocommit=True) as conn:
        _drop(conn, fresh)
        _drop(conn, former)
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(fresh)))
    target = make_conninfo(dsn, dbname=fresh)
    _run("pg_restore", dsn, "--exit-on-error", f"--dbname={_plain(target)}", str(source))
    with psycopg.connect(server, autocommit=True) as conn:
        _swap(conn, name, fresh, former)
        _drop(conn, former)
    return current(dsn)


def _swap(conn: psycopg.Connection, name: str, fresh: str, former: str) -> None:
    rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
    present, new, old = sql.Identifier(name), sql.Identifier(fresh), sql.Identifier(former)
    conn.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(present))
    try:
        conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        _gone(conn, name)
        conn.execute(rename.format(present, old))
        conn.execute(rename.format(new, present))
    except psycopg.Error:
        conn.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(present))
        raise


def _gone(conn: psycopg.Connection, name: str) -> None:
    for _ in range(50):
        left = conn.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", (name,)).fetchone()
        if not left or not left[0]:
            return
        conn.execute("SELECT pg_sleep(0.05)")


def _drop(conn: psycopg.Connection, name: str) -> None:
    conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _plain(dsn: str) -> str:
    """The DSN without its password, which must not stand in a process list."""
    pairs = {key: value for key, value in conninfo_to_dict(dsn).items() if key != "password"}
    return make_conninfo("", **pairs)


def _run(program: str, dsn: str, *arguments: str) -> None:
    password = unquote(str(conninfo_to_dict(dsn).get("password") or ""))
    done = subprocess.run(
        [find().program(program), *arguments],
        env={**os.environ, "PGPASSWORD": password},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode != 0:
        raise SnapshotError(f"{program} failed: {done.stderr.strip()[-500:]}")
