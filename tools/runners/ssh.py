"""SSH over asyncssh: known host keys only, a jump host where one is named, no agent, no forwarding, no password."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import asyncssh

from domain.errors import AuthError, FirebreakError, ToolError, ToolUnavailableError, ToolUnknownError
from domain.remote import SshHop, SshHost
from tools.remote import resolved
from tools.runners.protocol import one_line
from tools.runners.transport import Answered

CONNECT_S = 10.0
"""From the first packet until a hop has let us in."""

KEEPALIVE_S = 15
"""A line that says nothing for three of these is given up."""

MOST_BYTES = 4 * 1024 * 1024
"""What one answer may hold at most; our scripts keep far less."""


class SshTransport:
    """Implements tools.runners.transport.Transport. Connects when first needed and again when the line was lost."""

    kind = "ssh"

    def __init__(self, host: SshHost, *, root: Path, env: Mapping[str, str]) -> None:
        self._host = host
        self._root = root
        self._env = env
        self._lines: list[asyncssh.SSHClientConnection] = []
        self._lock = asyncio.Lock()

    async def ask(self, argv: Sequence[str], *, timeout_s: float) -> Answered:
        """See Transport. Raises AuthError when we are not let in, ToolError (remote.host_key) for an unknown host key."""
        line = await self._line()
        try:
            async with asyncio.timeout(timeout_s):
                return await _answered(line, argv)
        except TimeoutError as error:
            await self._drop()
            raise _lost(f"no answer within {timeout_s:g} s") from error
        except asyncssh.ChannelOpenError as error:
            await self._drop()
            raise ToolUnavailableError(
                f"{self._host.host} opens no session", expected="a session for one command", found=str(error)[:200]
            ) from error
        except (asyncssh.Error, OSError) as error:
            await self._drop()
            raise _lost(str(error)[:200]) from error

    async def aclose(self) -> None:
        """See Transport."""
        async with self._lock:
            await self._drop()

    async def _line(self) -> asyncssh.SSHClientConnection:
        async with self._lock:
            if not self._lines or self._lines[-1].is_closed():
                await self._drop()
                if self._host.jump is not None:
                    self._lines.append(await self._connected(self._host.jump, None))
                tunnel = self._lines[-1] if self._lines else None
                self._lines.append(await self._connected(self._host, tunnel))
            return self._lines[-1]

    async def _drop(self) -> None:
        lines, self._lines = self._lines, []
        for line in reversed(lines):
            line.close()
            with suppress(TimeoutError, asyncssh.Error, OSError):
                async with asyncio.timeout(1):
                    await line.wait_closed()

    async def _connected(
        self, hop: SshHop, tunnel: asyncssh.SSHClientConnection | None
    ) -> asyncssh.SSHClientConnection:
        hosts, keys = known_hosts(hop, self._root), client_key(hop, self._root, self._env)
        try:
            async with asyncio.timeout(CONNECT_S):
                return await asyncssh.connect(
                    hop.host,
                    hop.port,
                    username=hop.user,
                    tunnel=tunnel or (),
                    known_hosts=str(hosts),
                    client_keys=[keys],
                    config=None,
                    agent_path=None,
                    agent_forwarding=False,
                    x11_forwarding=False,
                    preferred_auth="publickey",
                    password_auth=False,
                    kbdint_auth=False,
                    gss_auth=False,
                    keepalive_interval=KEEPALIVE_S,
                )
        except (asyncssh.Error, OSError, TimeoutError) as error:
            await self._drop()
            raise refused(hop, error) from error


async def _answered(line: asyncssh.SSHClientConnection, argv: Sequence[str]) -> Answered:
    """Run one program; what it says is bounded while it is read."""
    process = await line.create_process(one_line(argv), encoding=None, stdin=asyncssh.DEVNULL)
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


def known_hosts(hop: SshHop, root: Path) -> Path:
    """The file of known host keys. Raises ToolError when there is none: an unknown host is never trusted."""
    path = resolved(hop.known_hosts, root)
    if not path.is_file():
        raise ToolError(
            f"the host key of {hop.host} cannot be verified",
            expected=f"a known_hosts file with its key at {path}",
            found="no file",
            hint=f"ask whoever runs {hop.host} for its host key; never take the one that answers first",
            code="remote.host_key",
        )
    return path


def client_key(hop: SshHop, root: Path, env: Mapping[str, str]) -> asyncssh.SSHKeyPair:
    """The key pair that the reference names, with its certificate. Raises ToolError."""
    try:
        key = asyncssh.import_private_key(_key_text(hop, root, env))
        if hop.key.certificate is None:
            return asyncssh.load_keypairs([key])[0]
        return asyncssh.load_keypairs([(key, asyncssh.read_certificate(resolved(hop.key.certificate, root)))])[0]
    except (asyncssh.Error, ValueError, OSError) as error:
        raise ToolError(
            f"the key for {hop.user}@{hop.host} cannot be used",
            expected="an OpenSSH private key without a passphrase, and a certificate that belongs to it",
            found=str(error)[:120],
            code="remote.key",
        ) from error


def _key_text(hop: SshHop, root: Path, env: Mapping[str, str]) -> str:
    if hop.key.env is not None:
        found = env.get(hop.key.env, "")
        if not found:
            raise _no_key(hop, f"environment variable {hop.key.env}", "not set")
        return found
    path = resolved(hop.key.file or "", root)
    if not path.is_file():
        raise _no_key(hop, f"a private key at {path}", "no file")
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise _no_key(hop, f"{path} readable by its owner only", f"mode {stat.S_IMODE(path.stat().st_mode):o}")
    return path.read_text()


def _no_key(hop: SshHop, expected: str, found: str) -> ToolError:
    hint = "correct `key` in the TARGET file, or chmod 600"
    message = f"there is no usable key for {hop.user}@{hop.host}"
    return ToolError(message, expected=expected, found=found, hint=hint, code="remote.key")


def refused(hop: SshHop, error: Exception) -> FirebreakError:
    """Why a hop did not let us in, as an error of ours."""
    where = f"{hop.user}@{hop.host}:{hop.port}"
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return ToolError(
            f"the host key of {hop.host}:{hop.port} is not the known one",
            expected=f"the key that stands in {hop.known_hosts}",
            found="another key, or none known for this host and port",
            hint="find out why before you change known_hosts: somebody else may be answering",
            code="remote.host_key",
        )
    if isinstance(error, asyncssh.PermissionDenied):
        hint = "is the public key in authorized_keys there, and is the certificate still valid?"
        return AuthError(f"{where} does not let us in", expected="our key to be accepted", found="refused", hint=hint)
    found = "no answer in time" if isinstance(error, TimeoutError) else (str(error) or type(error).__name__)[:200]
    hint = "check host, port and the jump host in the TARGET file"
    return ToolUnavailableError(f"{where} cannot be reached", expected="an SSH server", found=found, hint=hint)


def _lost(why: str) -> ToolUnknownError:
    return ToolUnknownError(
        "the line was lost while a command was under way",
        expected="an exit code",
        found=why,
        hint="settle the step: the host remembers what became of it",
    )
