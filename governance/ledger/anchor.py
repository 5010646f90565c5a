"""Anchors outside the ledger: the newest hash after every commit, so that cutting off or rewriting shows."""

from __future__ import annotations

import heapq
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from domain.errors import LedgerError
from governance.ledger.chain import AnchorPoint

_SYNC_EVERY = 64
"""Anchors between two fsyncs; the ledger itself is synced at every commit."""
_TAIL = 4096
"""Bytes at the end of an anchor file among which the last anchor is."""


class Anchor(Protocol):
    """Where anchors are kept."""

    def write(self, point: AnchorPoint) -> None:
        """Remember one more point."""
        ...

    def points(self) -> Iterator[AnchorPoint]:
        """All points known when the first one is asked for, oldest first. Raises LedgerError when unreadable."""
        ...

    def heads(self) -> list[AnchorPoint]:
        """The newest point of every place where anchors are kept; empty when there is none."""
        ...

    def close(self) -> None:
        """Make what was remembered durable. Idempotent."""
        ...


class MemoryAnchor:
    """Anchors in a list."""

    def __init__(self) -> None:
        self.kept: list[AnchorPoint] = []

    def write(self, point: AnchorPoint) -> None:
        self.kept.append(point)

    def points(self) -> Iterator[AnchorPoint]:
        return iter(list(self.kept))

    def heads(self) -> list[AnchorPoint]:
        return self.kept[-1:]

    def close(self) -> None:
        """Nothing to let go of."""


class Anchors:
    """Several anchors at once: each must agree with the ledger, and none may be empty."""

    def __init__(self, kept: Sequence[Anchor]) -> None:
        self._kept = kept

    def write(self, point: AnchorPoint) -> None:
        for anchor in self._kept:
            anchor.write(point)

    def points(self) -> Iterator[AnchorPoint]:
        if not all(anchor.heads() for anchor in self._kept):
            return iter(())
        return heapq.merge(*(anchor.points() for anchor in self._kept), key=lambda point: point.seq)

    def heads(self) -> list[AnchorPoint]:
        return [point for anchor in self._kept for point in anchor.heads()]

    def close(self) -> None:
        for anchor in self._kept:
            anchor.close()


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
        return self._read(0)

    def heads(self) -> list[AnchorPoint]:
        """Read from the end of the file."""
        size = self.path.stat().st_size if self.path.exists() else 0
        return list(self._read(max(size - _TAIL, 0)))[-1:]

    def close(self) -> None:
        """Sync what was written."""
        if self._since_sync:
            with self.path.open("rb") as file:
                os.fsync(file.fileno())
            self._since_sync = 0

    def _read(self, start: int) -> Iterator[AnchorPoint]:
        """Whole lines from a position on, up to what the end of the file is now."""
        if not self.path.exists():
            return
        end = self.path.stat().st_size
        with self.path.open("rb") as lines:
            lines.seek(start)
            at = start + len(lines.readline()) if start else 0
            for line in lines:
                at += len(line)
                if at > end:
                    return
                point = _point(line.decode(errors="replace"), at)
                if point is not None:
                    yield point

    def _mend(self) -> str:
        """A line break first when a crash left half a line behind; such a half line is marked as a comment."""
        if self._whole or not self.path.exists() or self.path.stat().st_size == 0:
            return ""
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return "" if file.read(1) == b"\n" else "#torn\n"


def _point(line: str, end: int) -> AnchorPoint | None:
    torn = not line.endswith("\n") or line.rstrip().endswith("#torn")
    if torn or not line.strip():
        return None
    try:
        found = json.loads(line)
        return AnchorPoint(seq=int(found["seq"]), hash=str(found["hash"]))
    except (ValueError, KeyError, TypeError) as error:
        raise LedgerError(
            "the ledger's anchor cannot be read",
            expected='lines such as {"seq": 12, "hash": "…"}',
            found=f"before byte {end}: {line.strip()[:80]}",
            hint="restore the anchor file from a copy; without it a rewritten ledger cannot be told from a true one",
            code="ledger.anchor",
        ) from error
