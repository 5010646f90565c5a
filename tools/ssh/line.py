"""A line over SSH: known host keys only, a jump host where one is named, no agent, no agent forwarding, no password."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import asyncssh

from domain.errors import AuthError, FirebreakError, ToolError, ToolUnavailableError
from domain.remote import SshHop, SshRoute
from tools.ssh.identity import client_key, known_hosts

CONNECT_S = 10.0
"""From the first packet until a hop has let us in."""

KEEPALIVE_S = 15
"""A line that says nothing for three of these is given up."""


class Line:
    """Connections hop by hop to one host. Opened when first needed and again when they were lost."""

    def __init__(self, route: SshRoute, *, root: Path, env: Mapping[str, str]) -> None:
        self._route = route
        self._root = root
        self._env = env
        self._hops: list[asyncssh.SSHClientConnection] = []
        self._lock = asyncio.Lock()

    @property
    def is_open(self) -> bool:
        """Whether the last hop still stands, as far as we know."""
        return bool(self._hops) and not self._hops[-1].is_closed()

    async def connection(self) -> asyncssh.SSHClientConnection:
        """The last hop. Raises AuthError when we are not let in, ToolError (remote.host_key) for an unknown host key,
        ToolUnavailableError when a hop cannot be reached."""
        async with self._lock:
            if not self.is_open:
                await self.drop()
                if self._route.jump is not None:
                    self._hops.append(await self._connected(self._route.jump, None))
                tunnel = self._hops[-1] if self._hops else None
                self._hops.append(await self._connected(self._route, tunnel))
            return self._hops[-1]

    async def drop(self) -> None:
        """Close every hop; the next use opens them again."""
        hops, self._hops = self._hops, []
        for hop in reversed(hops):
            hop.close()
            with suppress(TimeoutError, asyncssh.Error, OSError):
                async with asyncio.timeout(1):
                    await hop.wait_closed()

    async def aclose(self) -> None:
        """Close, also when somebody else is just opening."""
        async with self._lock:
            await self.drop()

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
            await self.drop()
            raise refused(hop, error) from error


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
