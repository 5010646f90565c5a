"""Where the shop's database is, and the short-lived commands that administer it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from stack.home import Identity
from stack.problem import ProblemError

EXTERNAL = "FIREBREAK_DATABASE_URL"
"""Administrator's URL of a PostgreSQL to use instead of one of our own."""
NAME = "shop"
EXPECTED_REVISION = "0003"
ROLES = ("shop_api", "shop_worker", "shop_monitor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Address and administrator of the database server."""

    host: str
    port: int
    server_dsn: str
    """A database of that server that is not the shop's."""
    admin_dsn: str
    monitor_dsn: str
    external: bool


def place(identity: Identity, url: str = "") -> Place:
    """From the URL of someone's server, or of our own. Raises RuntimeError for a URL we cannot use."""
    if not url:
        port = identity.ports["postgres"]
        base = f"127.0.0.1:{port}"
        admin, monitor = _login("admin", identity), _login("shop_monitor", identity)
        return Place(
            host="127.0.0.1",
            port=port,
            server_dsn=f"postgresql://{admin}@{base}/postgres",
            admin_dsn=f"postgresql://{admin}@{base}/{NAME}",
            monitor_dsn=f"postgresql://{monitor}@{base}/{NAME}",
            external=False,
        )
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql") or not parts.hostname:
        raise RuntimeError(f"{EXTERNAL}: expected postgresql://user:password@host:port/database")
    host, port = parts.hostname, parts.port or 5432
    if unquote(parts.path.strip("/")) == NAME:
        raise RuntimeError(f"{EXTERNAL}: name another database than {NAME!r}; that one is made by the stack")
    return Place(
        host=host,
        port=port,
        server_dsn=url,
        admin_dsn=urlunsplit(parts._replace(path=f"/{NAME}")),
        monitor_dsn=f"postgresql://{_login('shop_monitor', identity)}@{host}:{port}/{NAME}",
        external=True,
    )


def _login(role: str, identity: Identity) -> str:
    return f"{role}:{quote(identity.passwords[role], safe='')}"


class Administration:
    """Runs `python -m stack.database`, so that its libraries do not stay in our memory."""

    def __init__(self, where: Place, identity: Identity, migrations: Path) -> None:
        """`migrations`: a folder of more migrations than the shop's own."""
        self.where = where
        self._migrations = migrations
        self._passwords = {role: identity.passwords[role] for role in ROLES}

    async def provision(self, *, first: bool) -> dict[str, Any]:
        """Roles, database, schema, seed; `first` when this stack has not used that server yet. Raises ProblemError."""
        return await self._run("provision", *["--first"] * first, timeout_s=60)

    async def current(self) -> str | None:
        """The recorded revision. Raises ProblemError."""
        return (await self._run("current", timeout_s=15))["revision"]  # type: ignore[no-any-return]

    async def migrate(self, revision: str) -> dict[str, Any]:
        """Up or down to a revision. Raises ProblemError with the database's words."""
        return await self._run("migrate", revision, timeout_s=60)

    async def snapshot(self, file: Path) -> dict[str, Any]:
        """Dump the database. Raises ProblemError."""
        return await self._run("snapshot", str(file), timeout_s=120)

    async def restore(self, file: Path) -> dict[str, Any]:
        """Put a dump back. Raises ProblemError."""
        return await self._run("restore", str(file), timeout_s=120)

    async def _run(self, command: str, *arguments: str, timeout_s: float) -> dict[str, Any]:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "stack.database",
            command,
            *arguments,
            env=self._env(os.environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(child.communicate(), timeout_s)
        except TimeoutError as error:
            child.kill()
            await child.wait()
            raise ProblemError(504, "database.timeout", f"{command} took longer than {timeout_s:g} s") from error
        try:
            result: dict[str, Any] = json.loads(out)
        except ValueError as error:
            raise ProblemError(
                500, "database.crashed", f"{command} ended without a result", found=err.decode()[-400:]
            ) from error
        if not result.get("ok"):
            raise ProblemError(
                409,
                f"database.{command}_failed",
                f"{command} failed: {result.get('error', '')}",
                found=str(result.get("kind", "")),
            )
        return result

    def _env(self, base: Mapping[str, str]) -> dict[str, str]:
        return dict(base) | {
            "STACK_DSN": self.where.admin_dsn,
            "STACK_SERVER_DSN": self.where.server_dsn,
            "STACK_PASSWORDS": json.dumps(self._passwords),
            "STACK_MIGRATIONS": str(self._migrations),
        }
