"""Following files that others write: rotation, truncation, half-written lines and sudden floods are all normal."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

CHUNK = 256 * 1024
"""Bytes read from one file in one tick."""
BEHIND = 4 * 1024 * 1024
"""More unread bytes than this are skipped, and said to be."""
FIRST = 64 * 1024
"""A file met for the first time is read from this many bytes before its end."""
LINE = 64 * 1024
"""A longer line of a log is cut; a batch of spans in one line may take all of CHUNK."""


@dataclass(slots=True)
class Tail:
    """How far one file has been read. `inode` 0: never seen."""

    path: Path
    inode: int = 0
    position: int = 0
    skipped: int = 0
    """Bytes passed over because the file grew faster than it could be read."""
    longest: int = LINE
    """Bytes after which a line is cut."""
    moved: bool = field(default=False)
    """Whether the last `read` changed inode or position (so that it must be remembered)."""

    def read(self) -> list[bytes]:
        """Complete new lines, at most CHUNK bytes; empty when the file is missing or unreadable."""
        self.moved = False
        try:
            facts = os.stat(self.path)
            if facts.st_ino == self.inode and facts.st_size == self.position:
                return []
            with self.path.open("rb") as stream:
                opened = os.fstat(stream.fileno())
                self._settle(opened.st_ino, opened.st_size)
                stream.seek(self.position)
                chunk = stream.read(CHUNK)
        except OSError:
            return []
        return self._lines(chunk)

    def _settle(self, inode: int, size: int) -> None:
        """Where to go on: from the start of a new or truncated file, near the end of one that is met first."""
        if self.inode == 0:
            self.position = max(0, size - FIRST)
            self.skipped += self.position
        elif inode != self.inode or size < self.position:
            self.position = 0
        if size - self.position > BEHIND:
            self.skipped += size - BEHIND - self.position
            self.position = size - BEHIND
        self.moved = self.moved or inode != self.inode
        self.inode = inode

    def _lines(self, chunk: bytes) -> list[bytes]:
        cut = chunk.rfind(b"\n") + 1
        if cut == 0:
            if len(chunk) < CHUNK:
                return []
            cut = len(chunk)
        self.position += cut
        self.moved = True
        return [line[: self.longest] for line in chunk[:cut].split(b"\n") if line.strip()]
