"""One host and port as an SSH host reaches it, on a loopback port of ours for as long as it is needed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

import asyncssh
from asyncssh.constants import OPEN_ADMINISTRATIVELY_PROHIBITED

from domain.errors import AuthError, FirebreakError, ToolUnavailableError
from domain.remote import SshRoute
from tools.ssh.line import Line

OPEN_S = 10.0
"""From the question for a way on to the far side's answer."""

AGAIN_S = 3.0
"""For so long after a failure nobody knocks again: many questions side by side would look like an attack on the host."""


class Forward:
    """Opened when first needed and again when the line was lost; nothing listens after `aclose`."""

    def __init__(self, route: SshRoute, *, root: Path, env: Mapping[str, str]) -> None:
        self._route = route
        self._line = Line(route, root=root, env=env)
        self._listener: asyncssh.SSHListener | None = None
        self._lock = asyncio.Lock()
        self._failed: tuple[float, FirebreakError] | None = None

    async def port(self, host: str, port: int) -> int:
        """The loopback port that leads to `host`:`port`; every call names the same one.

        Raises what Line.connection raises, AuthError (remote.forward) when the host may not forward for us, and
        ToolUnavailableError when it reaches nothing there.
        """
        async with self._lock:
            if self._listener is None or not self._line.is_open:
                await self._close()
                self._listener = await self._tried(host, port)
            return self._listener.get_port()

    async def aclose(self) -> None:
        """Stop listening and close the line."""
        async with self._lock:
            await self._close()

    async def _tried(self, host: str, port: int) -> asyncssh.SSHListener:
        if self._failed is not None and time.monotonic() - self._failed[0] < AGAIN_S:
            raise self._failed[1]
        try:
            return await self._opened(host, port)
        except FirebreakError as error:
            self._failed = time.monotonic(), error
            raise

    async def _opened(self, host: str, port: int) -> asyncssh.SSHListener:
        """Asked for once before anything listens: through the listener a refusal would look like a cut connection."""
        connection = await self._line.connection()
        try:
            async with asyncio.timeout(OPEN_S):
                _, writer = await connection.open_connection(host, port, encoding=None)
                writer.close()
                return await connection.forward_local_port("127.0.0.1", 0, host, port)
        except (asyncssh.Error, OSError, TimeoutError) as error:
            await self._line.drop()
            raise no_way(self._route, f"{host}:{port}", error) from error

    async def _close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        self._listener = None
        await self._line.drop()


def no_way(route: SshRoute, where: str, error: Exception) -> FirebreakError:
    """Why an SSH host does not lead there, as an error of ours."""
    found = "no answer in time" if isinstance(error, TimeoutError) else (str(error) or type(error).__name__)[:200]
    if isinstance(error, asyncssh.ChannelOpenError) and error.code == OPEN_ADMINISTRATIVELY_PROHIBITED:
        return AuthError(
            f"{route.host} does not forward to {where}",
            expected="a forward that its sshd permits",
            found=found,
            hint=f'set AllowTcpForwarding and `permitopen="{where}"` for {route.user} there, or another `through` host',
            code="remote.forward",
        )
    return ToolUnavailableError(
        f"{route.host} does not reach {where}",
        expected=f"something that listens on {where}, seen from {route.host}",
        found=found,
        hint="check `server` in the kubeconfig and the host named under `through`",
    )
