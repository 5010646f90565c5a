"""Disk space kept for the ledger, so that a full disk cannot block the step that frees it."""

from __future__ import annotations

import os
from pathlib import Path


class DiskReserve:
    """A file that only takes up space. Letting go of it makes room for the entries that follow."""

    def __init__(self, path: Path, size: int = 4 * 1024 * 1024) -> None:
        self.path = path
        self.size = size

    def take(self) -> bool:
        """Fill the file. False when there is no room for it now; the next start tries again."""
        if self.path.exists() and self.path.stat().st_size >= self.size:
            return True
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, self.size)
        except OSError:
            os.ftruncate(descriptor, 0)
            return False
        finally:
            os.close(descriptor)
        return True

    def release(self) -> bool:
        """Give the space back. False when there was nothing to give."""
        if not self.path.exists() or self.path.stat().st_size == 0:
            return False
        os.truncate(self.path, 0)
        return True
