"""Golden snapshots on disk: the files that `firebreak.yaml` names as golden, by digest."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from domain.inventory import Inventory

CHUNK = 1 << 20


class FileBaselines:
    """Implements governance's Baselines. Paths are relative to `root`, the folder of `firebreak.yaml`."""

    def __init__(self, inventory: Inventory, root: Path) -> None:
        self._files = {
            f"{service.name}/{name}": root / name for service in inventory.services for name in service.golden
        }

    async def digests(self) -> Mapping[str, str]:
        """`service/path` → full SHA-256; empty for a file that is gone or cannot be read."""
        if not self._files:
            return {}
        return await asyncio.to_thread(lambda: {name: file_digest(path) for name, path in self._files.items()})


def file_digest(path: Path) -> str:
    """SHA-256 of a file, or of a folder's file names and contents; empty when it cannot be read."""
    found = hashlib.sha256()
    try:
        for file in _files(path):
            found.update(f"{file.relative_to(path)}\0".encode())
            with file.open("rb") as stream:
                while chunk := stream.read(CHUNK):
                    found.update(chunk)
    except OSError:
        return ""
    return found.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    """The file itself, or every file below a folder, by name. Raises OSError when there is none."""
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.is_file())
    else:
        path.stat()
        yield path
