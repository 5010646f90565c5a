"""The api's connections: a pool of fixed size, no overflow, a short wait. The only module here that knows psycopg."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from stack.problem import ProblemError
from stack.shop.api.metrics import ApiMetrics
from stack.shop.api.settings import conninfo
from stack.shop.spans import Tracing

RECONNECT_S = 4.0
Connection = psycopg.AsyncConnection[dict[str, Any]]


class Database:
    """Lends connections. Address, size and password are read anew, so they change without a restart."""

    def __init__(
        self, values: Callable[[], Mapping[str, str]], secret: Path, metrics: ApiMetrics, tracing: Tracing
    ) -> None:
        self._values = values
        self._secret = secret
        self._metrics = metrics
        self._tracing = tracing
        size = int(values()["DB_POOL_SIZE"])
        self._pool = AsyncConnectionPool[Connection](
            conninfo=lambda: conninfo(self._values()),
            kwargs=self._secrets,
            min_size=size,
            max_size=size,
            timeout=float(values()["DB_POOL_TIMEOUT_S"]),
            max_waiting=200,
            reconnect_timeout=RECONNECT_S,
            configure=self._still_wanted,
            check=_alive,
            open=False,
            name="shop",
        )

    def _secrets(self) -> dict[str, Any]:
        try:
            password = self._secret.read_text().strip()
        except OSError:
            password = ""
        return {"password": password, "row_factory": dict_row, "autocommit": True, "prepare_threshold": None}

    async def open(self) -> None:
        """Begin to connect; does not wait, so the api starts without a database and says so in /readyz."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Give everything back."""
        await self._pool.close(timeout=1.0)

    async def reload(self) -> None:
        """Take up a changed address, password or size; connections in use finish where they are."""
        size = int(self._values()["DB_POOL_SIZE"])
        if size != self._pool.max_size:
            await self._pool.resize(size, size)
        await self._pool.drain()

    async def _still_wanted(self, conn: Connection) -> None:
        """Asked when a connection is made. Raises OperationalError when the address changed while it was being made.

        `drain` spares connections that are not there yet: over a slow link one made to the old address would come
        afterwards and be lent for as long as the pool lives. Refused here, the pool makes it again, to the new one.
        """
        values, info = self._values(), conn.info
        wanted = (values["DB_HOST"], int(values["DB_PORT"]), values["DB_NAME"], values["DB_USER"])
        if (info.host, info.port, info.dbname, info.user) != wanted:
            await conn.close()
            raise psycopg.OperationalError("the address changed while the connection was being made")

    def measure(self) -> None:
        """Bring the pool's gauges up to date."""
        stats = self._pool.get_stats()
        held, idle = stats.get("pool_size", 0), stats.get("pool_available", 0)
        self._metrics.pool_size.set(self._pool.max_size)
        self._metrics.pool_open.set(held)
        self._metrics.pool_in_use.set(max(0, held - idle) if self._connected(stats) else 0)
        self._metrics.pool_waiting.set(stats.get("requests_waiting", 0))

    @staticmethod
    def _connected(stats: Mapping[str, int]) -> bool:
        return stats.get("pool_size", 0) > 0

    @asynccontextmanager
    async def connection(self, query: str, timeout_s: float | None = None) -> AsyncIterator[Connection]:
        """A connection for one named query. Raises ProblemError with the real reason when the database does not serve."""
        started = time.monotonic()
        try:
            with self._tracing.span(f"db.{query}", {"db.system": "postgresql", "db.operation": query}):
                async with self._pool.connection(timeout=timeout_s) as conn:
                    yield conn
        except PoolTimeout as error:
            self._metrics.pool_timeouts.inc()
            self._failed(query, error)
            raise ProblemError(
                503, "db.pool_timeout", f"no database connection became free within {self._pool.timeout:g} s"
            ) from error
        except psycopg.Error as error:
            self._failed(query, error)
            status = 503 if isinstance(error, psycopg.OperationalError) else 500
            code = f"db.{type(error).__name__}"
            raise ProblemError(status, code, str(error).splitlines()[0] if str(error) else code) from error
        finally:
            self._metrics.query_seconds.labels(query).observe(time.monotonic() - started)

    def _failed(self, query: str, error: Exception) -> None:
        self._metrics.query_errors.labels(query, type(error).__name__).inc()


async def _alive(conn: Connection) -> None:
    """Asked before a connection is lent. Raises psycopg.Error when the server went away meanwhile."""
    await conn.execute(b"SELECT 1")
