"""Dumps of the database with what is known about each."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stack.home import write_private
from stack.problem import ProblemError
from stack.supervisor.database import Administration

KEPT = 10


class Snapshots:
    """Takes, lists, puts back. The oldest beyond KEPT are removed."""

    def __init__(self, folder: Path, administration: Administration) -> None:
        self._folder = folder
        self._administration = administration

    async def take(self) -> dict[str, Any]:
        """{id, created_at, revision, bytes, seconds}. Raises ProblemError."""
        name = f"snap-{secrets.token_hex(6)}"
        begun = time.monotonic()
        done = await self._administration.snapshot(self._folder / f"{name}.dump")
        row = {
            "id": name,
            "created_at": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "revision": done["revision"],
            "bytes": done["bytes"],
            "seconds": round(time.monotonic() - begun, 3),
        }
        write_private(self._folder / f"{name}.json", json.dumps(row))
        for old in self.list()[:-KEPT]:
            for suffix in ("json", "dump"):
                (self._folder / f"{old['id']}.{suffix}").unlink(missing_ok=True)
        return row

    async def restore(self, name: str) -> dict[str, Any]:
        """Put one back. Raises ProblemError 404 for an unknown one."""
        row = next((row for row in self.list() if row["id"] == name), None)
        if row is None:
            known = ", ".join(str(row["id"]) for row in self.list()) or "none"
            raise ProblemError(404, "snapshot.unknown", f"no snapshot {name!r}", expected=known, found=name)
        done = await self._administration.restore(self._folder / f"{name}.dump")
        return row | {"restored": True, "revision": done["revision"]}

    def list(self) -> list[dict[str, Any]]:
        """All, oldest first."""
        return sorted(self._rows(), key=lambda row: str(row["created_at"]))

    def _rows(self) -> Iterator[dict[str, Any]]:
        for path in self._folder.glob("snap-*.json"):
            try:
                row = json.loads(path.read_text())
            except (OSError, ValueError):
                continue
            if path.with_suffix(".dump").exists():
                yield row
