"""Where a service reads its own password: a file beside it, or a place in the secret store."""

from __future__ import annotations

import hashlib
from pathlib import Path

from domain.errors import FirebreakError, ToolError, ToolUnavailableError
from domain.secret import Kept, SecretStore
from tools.file import read_text, write_atomic
from tools.target import Target

PASSWORD = "password"
ROLE = "username"
"""Names within a kept secret, as Vault's own database engine calls them."""


def mark(target: Target) -> str | None:
    """What tells one content from another without telling the content; None: there is none. Blocks."""
    if place := _place(target):
        return f"version {_kept(target, place).version}"
    try:
        facts = _file(target).stat()
    except OSError:
        return None
    return hashlib.sha256(f"{facts.st_mtime_ns}:{facts.st_ino}".encode()).hexdigest()[:12]


def password(target: Target) -> str:
    """What the service logs in with. Raises ToolError when it cannot be read. Blocks."""
    if place := _place(target):
        return _kept(target, place).values.get(PASSWORD, "")
    return read_text(_file(target), limit=4096).strip()


def keep_password(target: Target, role: str, word: str) -> None:
    """Put a new one in its place. Raises ToolError. Blocks."""
    if place := _place(target):
        _store(target, place).keep(place, {ROLE: role, PASSWORD: word})
    else:
        write_atomic(_file(target), word.encode(), mode=0o600)


def has_place(target: Target) -> bool:
    """Whether the binding says where the password is."""
    options = target.binding("credential").options
    return bool(options.get("secret_name") or options.get("secret_file"))


def require_place(target: Target) -> None:
    """Raises ToolError when nothing says where the service reads its password, or nothing keeps it there."""
    if place := _place(target):
        _store(target, place)
    else:
        _file(target)


def _place(target: Target) -> str:
    """`<environment>/<target>/<name>` in the secret store; empty when the service reads a file."""
    name = target.option(target.binding("credential"), "secret_name")
    return f"{target.service.environment.value}/{target.name}/{name}" if name else ""


def _file(target: Target) -> Path:
    path = target.option(target.binding("credential"), "secret_file")
    if not path:
        raise ToolError(
            f"nothing says where {target.name} reads its password",
            expected="`options.secret_file` or, with Vault, `options.secret_name` in its credential binding",
            found="none",
            code="tool.no_binding",
        )
    return target.root / str(path)


def _store(target: Target, place: str) -> SecretStore:
    if target.secrets is None:
        raise ToolError(
            f"the password of {target.name} is kept at {place}, and this process has no secret store",
            expected="a Vault that is set up here",
            found="none",
            hint="firebreak vault setup, or let the binding name a secret_file",
            code="tool.no_credential",
        )
    return target.secrets


def _kept(target: Target, place: str) -> Kept:
    try:
        return _store(target, place).newest(place)
    except ToolError:
        raise
    except FirebreakError as error:
        raise ToolUnavailableError(
            f"the secret store did not give what is kept at {place}",
            expected="an answer",
            found=error.message,
            hint=error.hint,
        ) from error
