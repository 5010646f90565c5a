"""Real OpenSSH servers on loopback: a host and a jump host, with keys of their own, in a folder of their own."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

_CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
{trusted}
AuthenticationMethods publickey
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
X11Forwarding no
AllowAgentForwarding yes
AllowTcpForwarding {forwarding}
MaxStartups 100
MaxSessions 100
LogLevel ERROR
SetEnv HOME={home} PATH={home}/bin:/usr/local/bin:/usr/bin:/bin
"""


@dataclass
class Sshd:
    """One server."""

    port: int
    folder: Path
    home: Path
    """What a session there sees as its home."""
    process: subprocess.Popen[bytes]

    def host_key(self) -> str:
        """As a line of known_hosts."""
        kind, key = (self.folder / "host_key.pub").read_text().split()[:2]
        return f"[127.0.0.1]:{self.port} {kind} {key}\n"


@dataclass
class Site:
    """A host that is reached through a jump host only in name: both are on loopback, with keys and homes of their own."""

    folder: Path
    host: Sshd
    jump: Sshd

    def route(self) -> dict[str, Any]:
        """The way to the host through the jump host, as a TARGET file beside the keys says it."""
        hop = {"user": getpass.getuser(), "key": {"file": "id"}, "known_hosts": "known_hosts"}
        jump = {"host": "127.0.0.1", "port": self.jump.port, **hop}
        return {"host": "127.0.0.1", "port": self.host.port, **hop, "jump": jump}

    def forward(self) -> dict[str, Any]:
        """The jump host alone, which leads on to other ports, for a TARGET file anywhere."""
        files = {"key": {"file": str(self.folder / "id")}, "known_hosts": str(self.folder / "known_hosts")}
        return {**self.route()["jump"], **files}

    def write_target(self, **more: Any) -> Path:
        """A TARGET file beside the keys; `more` replaces fields of `ssh`."""
        ssh = {**self.route(), **more}
        file = self.folder / "target.yaml"
        file.write_text(json.dumps({"version": "1", "name": "far-host", "ssh": ssh}, indent=2))
        return file


def keygen(path: Path, *words: str) -> None:
    """A fresh Ed25519 key without a passphrase."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path), *words], check=True)


@contextmanager
def running_sshd(folder: Path, authorized: str, *, forwarding: bool, authority: Path | None = None) -> Iterator[Sshd]:
    """A server until the block ends. `authority`: public key of a certificate authority that it trusts for users."""
    home = folder / "home"
    home.mkdir(parents=True)
    keygen(folder / "host_key")
    (folder / "authorized_keys").write_text(authorized)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    text = _CONFIG.format(
        port=port,
        folder=folder,
        home=home,
        forwarding="yes" if forwarding else "no",
        trusted=f"TrustedUserCAKeys {authority}" if authority else "",
    )
    (folder / "sshd_config").write_text(text)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(parents=True, exist_ok=True)
    assert SSHD is not None
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [SSHD, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=log, start_new_session=True
    )
    try:
        _until_open(port, process, folder / "log")
        yield Sshd(port, folder, home, process)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)
        log.close()


def _until_open(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"sshd does not answer: {log.read_text()[-500:]}")


@contextmanager
def running_ssh_site(folder: Path, *, forwarding: bool = False) -> Iterator[Site]:
    """Host and jump host; `id` may log in at both, `id-cert` is certified by an authority that the host trusts.

    `forwarding`: the host leads on to other ports, as the jump host always does.
    """
    keygen(folder / "id")
    keygen(folder / "authority")
    keygen(folder / "certified")
    ours = (folder / "id.pub").read_text()
    authority = folder / "authority.pub"
    with (
        running_sshd(folder / "host", ours, forwarding=forwarding, authority=authority) as host,
        running_sshd(folder / "jump", ours, forwarding=True) as jump,
    ):
        (folder / "known_hosts").write_text(host.host_key() + jump.host_key())
        yield Site(folder, host, jump)
