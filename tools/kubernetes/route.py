"""The way to an API server that only an SSH host reaches: another address, the same name on the certificate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from domain.errors import ConfigError
from domain.remote import SshRoute

if TYPE_CHECKING:
    from tools.ssh.forward import Forward

PORTS = {"https": 443, "http": 80}


class Route:
    """From a loopback port over `through` to the `server` of a kubeconfig. Opened by the first `url`."""

    def __init__(self, through: SshRoute, server: str, *, root: Path, env: Mapping[str, str]) -> None:
        self._server = urlsplit(server)
        if self._server.scheme not in PORTS or not self._server.hostname:
            raise ConfigError(
                "the kubeconfig names no API server that can be reached through SSH",
                expected="`server: https://host:port`",
                found=server[:200],
                code="remote.kubeconfig",
            )
        self.name = self._server.hostname
        """What stands on the server's certificate unless the kubeconfig says `tls-server-name`."""
        self.host = self._server.netloc.rpartition("@")[2]
        """What the server is called in requests."""
        self._forward = _forward(through, root, env)

    async def url(self) -> str:
        """Where to connect now. Raises what tools.ssh.forward.Forward.port raises."""
        wanted = self._server.port or PORTS[self._server.scheme]
        port = await self._forward.port(self.name, wanted)
        return self._server._replace(netloc=f"127.0.0.1:{port}").geturl()

    async def aclose(self) -> None:
        """Close the forward and the line below it."""
        await self._forward.aclose()


def _forward(through: SshRoute, root: Path, env: Mapping[str, str]) -> Forward:
    from tools.ssh.forward import Forward  # half a second of imports that most clusters never need

    return Forward(through, root=root, env=env)
