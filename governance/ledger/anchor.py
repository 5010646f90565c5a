"""Anchors outside the ledger: the newest hash after every commit, so that cutting off or rewriting shows."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from domain.errors import LedgerError
from governance.ledger.chain import AnchorPoint

_SYNC_EVERY = 64
"""Anchors between two fsyncs; the ledger itself is synced at every commit."""


class Anchor(Protocol):
    """Where anchors are kept."""

    def write(self, point: AnchorPoint) -> None:
        """Remember one more point."""
        ...

    def points(self) -> Iterator[AnchorPoint]:
        """All points, oldest first."""
        ...


class MemoryAnchor:
    """Anchors in a list."""

    def __init__(self) -> None:
        self.kept: list[AnchorPoint] = []

    def write(self, point: AnchorPoint) -> None:
        self.kept.append(point)

    def points(self) -> Iterator[AnchorPoint]:
        return iter(list(self.kept))


class FileAnchor:
    """Anchors in a file of JSON lines, appended only. A torn last line (a crash while writing) is not an anchor."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._since_sync = 0
        self._whole = False
        """Whether the file is known to end with a line break."""

    def write(self, point: AnchorPoint) -> None:
        line = (self._mend() + json.dumps({"seq": point.seq, "hash": point.hash}) + "\n").encode()
        self._whole = False
        try:
            self._whole = self._append(line) == len(line)
        except OSError:
            return  # a full disk: the anchor lags until there is room, the next one covers this one

    def _append(self, line: bytes) -> int:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            written = os.write(descriptor, line)
            self._since_sync = (self._since_sync + 1) % _SYNC_EVERY
            if self._since_sync == 0:
                os.fsync(descriptor)
            return written
        finally:
            os.close(descriptor)

    def points(self) -> Iterator[AnchorPoint]:
        if not self.path.exists():
            return
        with self.path.open(encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines):
                if line.strip():
                    point = _point(line, number, torn=not line.endswith("\n"))
                    if point is not None:
                        yield point

    def _mend(self) -> str:
        """A line break first when a crash left half a line behind; such a half line is marked as a comment."""
        if self._whole or not self.path.exists() or self.path.stat().st_size == 0:
            return ""
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return "" if file.read(1) == b"\n" else "#torn\n"


def _point(line: str, number: int, *, torn: bool) -> AnchorPoint | None:
    if torn or line.rstrip().endswith("#torn"):
        return None
    try:
        found = json.loads(line)
        return AnchorPoint(seq=int(found["seq"]), hash=str(found["hash"]))
    except (ValueError, KeyError, TypeError) as error:
        raise LedgerError(
            "the ledger's anchor cannot be read",
            expected='lines such as {"seq": 12, "hash": "…"}',
            found=f"line {number + 1}: {line.strip()[:80]}",
            hint="restore the anchor file from a copy; without it a rewritten ledger cannot be told from a true one",
            code="ledger.anchor",
        ) from error
