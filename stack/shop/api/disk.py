"""The api's data directory: receipts of the newest orders, scratch space, and how full it is."""

from __future__ import annotations

import errno
import json
import os
from collections import deque
from pathlib import Path
from typing import Any

from stack.shop.api.metrics import ApiMetrics

KEPT_RECEIPTS = 300
PROBE_BYTES = 8192


class DataDirectory:
    """Writes are small and synchronous. A quota stands in where the directory has no file system of its own."""

    def __init__(self, path: Path, metrics: ApiMetrics, quota_bytes: int = 0) -> None:
        self.path = path
        self._metrics = metrics
        self._quota = quota_bytes
        self._receipts: deque[Path] = deque()

    def prepare(self) -> None:
        """Make the folders and find the receipts of former runs. Raises OSError."""
        for folder in ("receipts", "tmp"):
            (self.path / folder).mkdir(exist_ok=True)
        found = (entry for entry in os.scandir(self.path / "receipts") if entry.name.endswith(".json"))
        self._receipts.extend(Path(entry.path) for entry in sorted(found, key=lambda e: e.stat().st_mtime))

    def write_receipt(self, order_id: str, receipt: dict[str, Any]) -> None:
        """One file per order; the oldest beyond KEPT_RECEIPTS go. Raises OSError (ENOSPC when full)."""
        path = self.path / "receipts" / f"{order_id}.json"
        self._write(path, json.dumps(receipt, indent=1).encode())
        self._receipts.append(path)
        while len(self._receipts) > KEPT_RECEIPTS:
            self._receipts.popleft().unlink(missing_ok=True)

    def probe(self) -> None:
        """Write and remove a small file. Raises OSError."""
        path = self.path / "tmp" / f".probe-{os.getpid()}"
        try:
            self._write(path, b"\0" * PROBE_BYTES)
        finally:
            path.unlink(missing_ok=True)

    def measure(self) -> None:
        """Bring the gauges up to date."""
        total, free = self.room()
        self._metrics.disk_total.set(total)
        self._metrics.disk_free.set(free)

    def room(self) -> tuple[int, int]:
        """(total, free) in bytes."""
        if self._quota:
            return self._quota, max(0, self._quota - self._used())
        facts = os.statvfs(self.path)
        return facts.f_blocks * facts.f_frsize, facts.f_bavail * facts.f_frsize

    def _used(self) -> int:
        return sum(
            os.lstat(os.path.join(where, name)).st_blocks * 512
            for where, _, names in os.walk(self.path)
            for name in names
            if os.path.lexists(os.path.join(where, name))
        )

    def _write(self, path: Path, body: bytes) -> None:
        try:
            if self._quota and self.room()[1] < len(body):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            with path.open("wb") as stream:
                stream.write(body)
        except OSError:
            self._metrics.disk_errors.inc()
            if path.exists() and path.stat().st_size < len(body):
                path.unlink(missing_ok=True)
            raise
