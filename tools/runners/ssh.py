"""Commands over SSH: each is a session of its own on one line to the host."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import asyncssh

from domain.errors import ToolUnavailableError, ToolUnknownError
from domain.remote import SshHost
from tools.runners.protocol import one_line
from tools.runners.transport import Answered
from tools.ssh.line import Line

MOST_BYTES = 4 * 1024 * 1024
"""What one answer may hold at most; our scripts keep far less."""


class SshTransport:
    """Implements tools.runners.transport.Transport."""

    kind = "ssh"

    def __init__(self, host: SshHost, *, root: Path, env: Mapping[str, str]) -> None:
        self._host = host
        self._line = Line(host, root=root, env=env)

    async def ask(self, argv: Sequence[str], *, timeout_s: float) -> Answered:
        """See Transport; raises what Line.connection raises."""
        connection = await self._line.connection()
        try:
            async with asyncio.timeout(timeout_s):
                return await _answered(connection, argv)
        except TimeoutError as error:
            await self._line.drop()
            raise _lost(f"no answer within {timeout_s:g} s") from error
        except asyncssh.ChannelOpenError as error:
            await self._line.drop()
            raise ToolUnavailableError(
                f"{self._host.host} opens no session", expected="a session for one command", found=str(error)[:200]
            ) from error
        except (asyncssh.Error, OSError) as error:
            await self._line.drop()
            raise _lost(str(error)[:200]) from error

    async def aclose(self) -> None:
        """See Transport."""
        await self._line.aclose()


async def _answered(connection: asyncssh.SSHClientConnection, argv: Sequence[str]) -> Answered:
    """Run one program; what it says is bounded while it is read."""
    process = await connection.create_process(one_line(argv), encoding=None, stdin=asyncssh.DEVNULL)
    try:
        out, err = await asyncio.gather(_bounded(process.stdout), _bounded(process.stderr))
        ended = await process.wait(check=False)
        if ended.exit_status is None:
            raise OSError("the session ended without an exit code")
    finally:
        process.close()
    return Answered(code=ended.exit_status, out=out, err=err)


async def _bounded(stream: asyncssh.SSHReader[bytes]) -> bytes:
    kept = bytearray()
    while piece := await stream.read(65536):
        if len(kept) < MOST_BYTES:
            kept += piece
    return bytes(kept[:MOST_BYTES])


def _lost(why: str) -> ToolUnknownError:
    return ToolUnknownError(
        "the line was lost while a command was under way",
        expected="an exit code",
        found=why,
        hint="settle the step: the host remembers what became of it",
    )
