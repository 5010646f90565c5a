"""Who we are for an SSH hop, and how we know that it is the right one: key, certificate, known host keys."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

import asyncssh

from domain.errors import ToolError
from domain.remote import SshHop
from tools.remote import resolved


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
