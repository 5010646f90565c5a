"""Changed files as values: their lines, and both sides of those whose form is understood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

Line = tuple[int, str]
"""Number (1-based, on its own side of the change) and text."""
Kind = Literal["text", "binary", "submodule", "symlink", "unread"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedFile:
    """One path. Sides that were not fetched, or do not exist, are None."""

    path: str
    old_path: str
    status: str
    """A added, M modified, D deleted, R renamed, C copied, T another type."""
    kind: Kind = "text"
    added: int = 0
    removed: int = 0
    lines_added: Sequence[Line] = ()
    lines_removed: Sequence[Line] = ()
    before: str | None = None
    after: str | None = None

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name.lower()

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.path).suffix.lower()

    @property
    def folders(self) -> frozenset[str]:
        """Names of the folders it lies in, lower case."""
        return frozenset(part.lower() for part in PurePosixPath(self.path).parts[:-1])

    @property
    def changed(self) -> int:
        """Lines added and removed."""
        return self.added + self.removed


def at(file: ChangedFile, lines: Sequence[int]) -> str:
    """`path`, `path:line` or `path:first-last`."""
    if not lines:
        return file.path
    first, last = min(lines), max(lines)
    return f"{file.path}:{first}" if first == last else f"{file.path}:{first}-{last}"


def line_with(text: str, words: str) -> int:
    """Number of the first line that holds `words`; 1 when none does."""
    return next((i for i, line in enumerate(text.splitlines(), 1) if words in line), 1)
