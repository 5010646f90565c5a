"""The stack's own record of changes: one JSON object per line, never rewritten."""

from __future__ import annotations

import difflib
import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

KINDS = ("commit", "deploy", "flag", "config", "migration")
SECRET_WORDS = ("PASSWORD", "SECRET", "TOKEN", "API_KEY", "API_KEYS")


class Changes:
    """Appends and reads."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(
        self,
        kind: str,
        service: str,
        summary: str,
        *,
        version: str = "",
        files: Sequence[str] = (),
        diff: str = "",
        author: str = "control",
    ) -> dict[str, Any]:
        """Record one change; returns the record."""
        assert kind in KINDS
        row = {
            "id": f"chg-{secrets.token_hex(6)}",
            "kind": kind,
            "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "service": service,
            "version": version,
            "commit": "",
            "summary": summary,
            "files": list(files),
            "diff": diff,
            "author": author,
        }
        with self._path.open("a") as stream:
            stream.write(json.dumps(row) + "\n")
        return row

    def read(self, limit: int = 200) -> list[dict[str, Any]]:
        """The newest records, oldest first. Torn lines are skipped."""
        try:
            lines = self._path.read_text().splitlines()
        except OSError:
            return []
        rows: list[dict[str, Any]] = []
        for line in lines[-limit:]:
            try:
                rows.append(json.loads(line))
            except ValueError:
                continue
        return rows


def redacted_diff(before: str, after: str, name: str) -> str:
    """A unified diff in which the values of secret keys are covered."""
    pairs = [_covered(text).splitlines(keepends=True) for text in (before, after)]
    return "".join(difflib.unified_diff(pairs[0], pairs[1], f"a/{name}", f"b/{name}", n=1))


def _covered(text: str) -> str:
    rows: list[str] = []
    for line in text.splitlines():
        key, separator, value = line.partition("=")
        hide = separator and value and any(word in key.upper() for word in SECRET_WORDS)
        rows.append(f"{key}=<covered>" if hide else line)
    return "".join(f"{row}\n" for row in rows)
