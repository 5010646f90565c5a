"""The patient's database, asked as its administrator from outside."""

from __future__ import annotations

import asyncio
import select
import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from chaos.errors import PatientError

STATEMENT_TIMEOUT_MS = 5_000
LOCK_TIMEOUT_MS = 1_500
"""No statement of ours waits longer for a lock that is held on purpose."""


class AdminDatabase:
    """Implements Database with one short connection per call, so that nothing of ours lingers in the activity view."""

    def __init__(self, dsn: Callable[[], str]) -> None:
        self._dsn = dsn

    async def rows(self, statement: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        return await asyncio.to_thread(self._rows, statement, params)

    def _rows(self, statement: str, params: Sequence[Any]) -> list[dict[str, Any]]:
        options = f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c lock_timeout={LOCK_TIMEOUT_MS}"
        try:
            with (
                psycopg.connect(self._dsn(), autocommit=True, connect_timeout=5, options=options) as db,
                db.cursor(row_factory=dict_row) as cursor,
            ):
                cursor.execute(statement.encode(), params or None)
                return cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            raise PatientError(
                "the patient's database refused",
                expected="an answer to an administrator's statement",
                found=str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__,
            ) from error


class LockedTable:
    """A transaction that holds an exclusive lock on one table and does nothing else."""

    def __init__(self, connection: psycopg.Connection[Any], backend: int) -> None:
        self._connection = connection
        self.backend = backend
        """The server's process id of the session."""

    @classmethod
    def take(cls, dsn: str, table: str, application_name: str) -> LockedTable:
        """Open the session and lock. Raises psycopg.Error."""
        connection = psycopg.connect(dsn, autocommit=False, connect_timeout=5, application_name=application_name)
        try:
            connection.execute(sql.SQL("lock table {} in access exclusive mode").format(sql.Identifier(table)))
        except BaseException:
            connection.close()
            raise
        return cls(connection, connection.info.backend_pid)

    def lost(self, wait_s: float, until: float) -> bool:
        """Wait a little; whether the session is over or the time (epoch seconds) is up."""
        ready, _, _ = select.select([self._connection.pgconn.socket], [], [], wait_s)
        if ready:
            try:
                self._connection.pgconn.consume_input()
            except psycopg.Error:
                return True
            if self._connection.pgconn.status != psycopg.pq.ConnStatus.OK:
                return True
        return time.time() >= until

    def close(self) -> None:
        """Roll back and leave."""
        self._connection.close()
