"""Writing a record down whole or not at all: a contract, a rollout, a rehearsal."""

from __future__ import annotations

from pathlib import Path

from domain.errors import StorageUnavailableError, ToolUnavailableError
from tools.file import write_atomic


def keep(file: Path, body: bytes, what: str) -> None:
    """Replace the file in one step. Raises StorageUnavailableError; the former record is there then, and nothing half-written."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, body, mode=0o644)
    except (OSError, ToolUnavailableError) as error:
        found = error.found if isinstance(error, ToolUnavailableError) else error.strerror or type(error).__name__
        raise StorageUnavailableError(
            f"the record of {what} cannot be written",
            expected=f"room in {file.parent}",
            found=found,
            hint="free some space there (or give it back to Firebreak's user)",
        ) from error
