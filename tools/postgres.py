"""PostgreSQL over psycopg: short connections, bounded statements, parameters only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row
from psycopg.sql import SQL, Composed, Identifier, Literal

from domain.errors import ToolError, ToolUnavailableError
from domain.redaction import redact

__all__ = [
    "APPLICATION",
    "SQL",
    "Composed",
    "Connection",
    "Identifier",
    "Literal",
    "Login",
    "compose",
    "connected",
    "database_name",
    "encrypted",
    "rows",
    "run",
    "try_login",
]

APPLICATION = "firebreak"
"""application_name of our own sessions, so that nobody mistakes them for the patient's."""

Connection = psycopg.AsyncConnection[dict[str, Any]]


@asynccontextmanager
async def connected(
    dsn: str, *, read_only: bool, timeout_s: float = 2.0, statement_s: float = 2.0
) -> AsyncIterator[Connection]:
    """An autocommit session. Raises ToolUnavailableError when the server cannot be reached or refuses us.

    Errors of statements inside become ToolErrors too; their texts carry no values.
    """
    options = f"-c statement_timeout={int(statement_s * 1000)} -c lock_timeout={int(statement_s * 1000)}"
    if read_only:
        options += " -c default_transaction_read_only=on"
    try:
        async with asyncio.timeout(timeout_s):
            connection = await Connection.connect(
                dsn, autocommit=True, row_factory=dict_row, application_name=APPLICATION, options=options
            )
    except (psycopg.Error, TimeoutError) as error:
        raise ToolUnavailableError(
            "the database does not let us in",
            expected="a PostgreSQL that answers",
            found=_words(error),
            hint="check that the server runs and that the DSN given to this process is right; nothing was changed",
        ) from error
    try:
        async with connection:
            yield connection
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise ToolUnavailableError(
            "the database did not finish a statement", expected="an answer in time", found=_words(error)
        ) from error
    except psycopg.Error as error:
        raise ToolError(
            "the database refused a statement", expected="a statement it accepts", found=_words(error)
        ) from error


async def rows(
    connection: Connection, query: LiteralString | Composed, parameters: Sequence[Any] | Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The rows of one query."""
    statement = SQL(query) if isinstance(query, str) else query
    cursor = await connection.execute(statement, parameters)
    return await cursor.fetchall()


async def run(connection: Connection, statement: Composed) -> None:
    """One statement without a result."""
    await connection.execute(statement)


def compose(template: LiteralString, *parts: Composed | Identifier | Literal | SQL) -> Composed:
    """A statement from fixed words and quoted parts: the only way a name gets into one."""
    return SQL(template).format(*parts)


def database_name(dsn: str) -> str:
    """The database a DSN leads to; empty when it does not say."""
    return str(conninfo_to_dict(dsn).get("dbname") or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Result of a login attempt. `ok` None: the server could not be reached, so nothing is known."""

    ok: bool | None
    error: str = ""


async def try_login(dsn: str, *, user: str, password: str, timeout_s: float = 2.0) -> Login:
    """Log in at the server and database of `dsn` as somebody else, and leave at once."""
    place = conninfo_to_dict(dsn)
    keep = {k: v for k, v in place.items() if k in ("host", "hostaddr", "port", "dbname", "sslmode", "sslrootcert")}
    own = make_conninfo("", **keep, user=user, password=password, application_name=APPLICATION)
    try:
        async with asyncio.timeout(timeout_s):
            connection = await psycopg.AsyncConnection.connect(own, autocommit=True)
            await connection.close()
    except psycopg.OperationalError as error:
        state = error.sqlstate or _state_in(str(error))
        return Login(ok=False if state in REFUSALS else None, error=_words(error))
    except (psycopg.Error, TimeoutError) as error:
        return Login(ok=None, error=_words(error))
    return Login(ok=True)


REFUSALS = ("28000", "28P01", "42501", "3D000", "53300-role")
"""Invalid authorisation, wrong password, no CONNECT privilege, no such database, the role's own connection limit."""


def _state_in(text: str) -> str:
    """libpq gives no SQLSTATE for a refused connection: the server's words do."""
    known = (
        ("password authentication failed", "28P01"),
        ("is not permitted to log in", "28000"),
        ("no password supplied", "28P01"),
        ("no pg_hba.conf entry", "28000"),
        ("does not exist", "28000"),
        ("permission denied for database", "42501"),
        ("too many connections for role", "53300-role"),
    )
    return next((state for words, state in known if words in text), "")


def encrypted(connection: Connection, *, user: str, password: str) -> str:
    """The SCRAM verifier of a password, so that the password itself never reaches the server or its log."""
    return connection.pgconn.encrypt_password(password.encode(), user.encode(), b"scram-sha-256").decode()


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return redact(lines[0])[:300] if lines else type(error).__name__
