"""Files: bounded reads and atomic writes."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from domain.errors import ToolError, ToolUnavailableError

MAX_CONFIG_BYTES = 1_000_000
"""A configuration file larger than this is not one we touch."""


def read_text(path: Path, *, limit: int = MAX_CONFIG_BYTES) -> str:
    """The file's text (undecodable bytes survive a round trip). Raises ToolError when missing, unreadable or too large."""
    try:
        with path.open("rb") as handle:
            body = handle.read(limit + 1)
    except FileNotFoundError as error:
        raise ToolError("the file does not exist", expected=str(path), found="nothing", code="tool.no_file") from error
    except OSError as error:
        raise ToolUnavailableError(
            "the file cannot be read", expected=str(path), found=error.strerror or type(error).__name__
        ) from error
    if len(body) > limit:
        raise ToolError("the file is too large", expected=f"at most {limit} bytes", found=str(path))
    return body.decode("utf-8", "surrogateescape")


def write_atomic(path: Path, body: bytes, *, mode: int | None = None) -> None:
    """Replace the file's content in one step; a reader sees the old or the new one, never half.

    `mode` None keeps the mode of the file that is there (0644 for a new one); owner is kept where we may.
    Raises ToolUnavailableError when the place cannot be written.
    """
    try:
        former = path.stat() if path.exists() else None
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(body)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(temporary, mode if mode is not None else (former.st_mode & 0o777 if former else 0o644))
            if former is not None and os.geteuid() == 0:
                os.chown(temporary, former.st_uid, former.st_gid)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ToolUnavailableError(
            "the file cannot be written", expected=str(path), found=error.strerror or type(error).__name__
        ) from error


def tail(path: Path, *, lines: int = 20, limit: int = 16_384) -> list[str]:
    """The last lines of a text file, reading at most `limit` bytes; empty when there is no such file."""
    try:
        with path.open("rb") as handle:
            handle.seek(0, os.SEEK_END)
            size = handle.tell()
            handle.seek(max(0, size - limit))
            body = handle.read(limit)
    except OSError:
        return []
    rows = body.decode("utf-8", "replace").splitlines()
    return rows[1:][-lines:] if size > limit else rows[-lines:]
