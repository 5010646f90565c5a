"""What an executor has begun and finished, by idempotency key, so that no key takes effect twice.

An entry is written before the effect and completed after it. An entry without a result means that nobody knows: the
next thing is a read-back, which finds the captured pre-state here.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from domain.action import ActionResult
from domain.errors import StorageError, ToolUnavailableError
from domain.value import Value
from tools.file import write_atomic


class JournalEntry(Value):
    """One attempt."""

    key: str
    call: str
    """Digest of the call."""
    before: dict[str, Any]
    """State captured before the effect; never a secret."""
    result: ActionResult | None = None


class Journal(Protocol):
    """Where attempts are remembered."""

    def find(self, key: str) -> JournalEntry | None:
        """The entry of this key, or None."""
        ...

    def latest(self, call: str) -> JournalEntry | None:
        """The newest entry of a call (by its digest), or None."""
        ...

    def begin(self, entry: JournalEntry) -> None:
        """Remember an attempt before its effect."""
        ...

    def finish(self, key: str, result: ActionResult) -> None:
        """Complete it."""
        ...


class MemoryJournal:
    """For one process' lifetime."""

    def __init__(self) -> None:
        self._entries: dict[str, JournalEntry] = {}

    def find(self, key: str) -> JournalEntry | None:
        return self._entries.get(key)

    def latest(self, call: str) -> JournalEntry | None:
        return next((e for e in reversed(self._entries.values()) if e.call == call), None)

    def begin(self, entry: JournalEntry) -> None:
        self._entries.setdefault(entry.key, entry)

    def finish(self, key: str, result: ActionResult) -> None:
        entry = self._entries.get(key)
        if entry is not None:
            self._entries[key] = entry.model_copy(update={"result": result})


class DirectoryJournal:
    """One 0600 file per attempt in a directory; survives the process.

    A full disk must not block the step that frees it: an entry that cannot be written is kept in memory.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._memory = MemoryJournal()

    def find(self, key: str) -> JournalEntry | None:
        kept = self._memory.find(key)
        if kept is not None:
            return kept
        return next((e for e in map(_read, self._directory.glob(f"*-{_short(key)}.json")) if e.key == key), None)

    def latest(self, call: str) -> JournalEntry | None:
        kept = self._memory.latest(call)
        if kept is not None:
            return kept
        files = sorted(self._directory.glob(f"{call[:16]}-*.json"), key=lambda p: p.stat().st_mtime)
        return next((e for e in map(_read, reversed(files)) if e.call == call), None)

    def begin(self, entry: JournalEntry) -> None:
        if self.find(entry.key) is None:
            self._write(entry)

    def finish(self, key: str, result: ActionResult) -> None:
        entry = self.find(key)
        if entry is not None:
            self._write(entry.model_copy(update={"result": result}))

    def _write(self, entry: JournalEntry) -> None:
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            body = entry.model_dump_json().encode()
            write_atomic(self._directory / f"{entry.call[:16]}-{_short(entry.key)}.json", body, mode=0o600)
        except (OSError, ToolUnavailableError):
            self._memory.begin(entry)
            if entry.result is not None:
                self._memory.finish(entry.key, entry.result)


def _short(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _read(path: Path) -> JournalEntry:
    try:
        return JournalEntry.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise StorageError(
            "an entry of the action journal cannot be read",
            expected="a complete JSON entry",
            found=type(error).__name__,
            hint=f"look at {path}; whether its action took effect must be read back by hand",
        ) from error
