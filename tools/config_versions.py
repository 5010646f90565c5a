"""Known versions of configuration files, so that the last good one can be put back.

One directory per service under `FIREBREAK_HOME/config-versions`: `<version>-<epoch>` holds the text as it was read,
`index.json` lists {version, at, good, sha256} in order of first appearance. The collector records and marks; actions
and probes read. A version's name is the first twelve hex digits of the text's SHA-256, so recording twice changes
nothing. Files are 0600: a configuration may hold secrets.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from pydantic import Field, TypeAdapter, ValidationError

from domain.errors import StorageError
from domain.value import Value
from tools.file import write_atomic

_SERVICE = re.compile(r"[a-z][a-z0-9-]*")
_VERSION = re.compile(r"[0-9a-f]{12}")


class ConfigVersion(Value):
    """One version of one service's configuration file."""

    version: str
    at: float
    """Epoch seconds when it was last seen to become current."""
    good: bool = False
    """The service was healthy under it."""
    good_at: float | None = None
    """When it was last said to be good; epoch seconds."""
    sha256: str = Field(min_length=64, max_length=64)


class ConfigVersions(Protocol):
    """Where former versions of configuration files are found."""

    async def get(self, service: str, version: str) -> str | None:
        """The text of a version, or None."""
        ...

    async def latest_good(self, service: str) -> ConfigVersion | None:
        """The newest version under which the service was healthy, or None."""
        ...

    async def record(self, service: str, text: str, at: float) -> ConfigVersion:
        """Keep a text that is current at `at` (epoch seconds). Idempotent per text."""
        ...

    async def mark_good(self, service: str, version: str, at: float | None = None) -> None:
        """Say that the service is healthy under this version. Unknown versions are ignored."""
        ...


def version_of(text: str) -> str:
    """The name of a text as a version."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def from_env(env: Mapping[str, str]) -> FileConfigVersions:
    """The store below FIREBREAK_HOME (default `.firebreak`)."""
    return FileConfigVersions(Path(env.get("FIREBREAK_HOME") or ".firebreak") / "config-versions")


_INDEX = TypeAdapter(list[ConfigVersion])


class FileConfigVersions:
    """The store on disk; safe for several processes (a lock file per service)."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def get(self, service: str, version: str) -> str | None:
        """See ConfigVersions."""
        return await asyncio.to_thread(self._get, service, version)

    async def latest_good(self, service: str) -> ConfigVersion | None:
        """See ConfigVersions."""
        rows = await asyncio.to_thread(self._rows, service)
        good = [row for row in rows if row.good]
        return max(good, key=lambda row: row.good_at or row.at, default=None)

    async def versions(self, service: str) -> list[ConfigVersion]:
        """All versions, oldest first."""
        return await asyncio.to_thread(self._rows, service)

    async def record(self, service: str, text: str, at: float) -> ConfigVersion:
        """See ConfigVersions."""
        return await asyncio.to_thread(self._record, service, text, at)

    async def mark_good(self, service: str, version: str, at: float | None = None) -> None:
        """See ConfigVersions."""
        await asyncio.to_thread(self._mark_good, service, version, at)

    def _home(self, service: str) -> Path:
        if not _SERVICE.fullmatch(service):
            raise StorageError("not a service name", expected="lower-case letters, digits, dashes", found=repr(service))
        return self._directory / service

    def _get(self, service: str, version: str) -> str | None:
        if not _VERSION.fullmatch(version):
            return None
        for path in sorted(self._home(service).glob(f"{version}-*")):
            text = path.read_bytes().decode("utf-8", "surrogateescape")
            if version_of(text) == version:
                return text
        return None

    def _rows(self, service: str) -> list[ConfigVersion]:
        path = self._home(service) / "index.json"
        try:
            return _INDEX.validate_json(path.read_bytes())
        except FileNotFoundError:
            return []
        except (OSError, ValidationError) as error:
            raise StorageError(
                f"the list of configuration versions of {service} cannot be read",
                expected="a JSON list of versions",
                found=type(error).__name__,
                hint=f"move {path} away; it is written anew with the next change",
            ) from error

    def _record(self, service: str, text: str, at: float) -> ConfigVersion:
        sha = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
        with self._locked(service) as home:
            rows = self._rows(service)
            known = next((row for row in rows if row.sha256 == sha), None)
            row = known or ConfigVersion(version=sha[:12], at=at, sha256=sha)
            if known is None or rows[-1].sha256 != sha:
                row = row.model_copy(update={"at": at})
                self._save(home, [r for r in rows if r.sha256 != sha] + [row])
            if self._get(service, row.version) is None:
                write_atomic(home / f"{row.version}-{int(at)}", text.encode("utf-8", "surrogateescape"), mode=0o600)
        return row

    def _mark_good(self, service: str, version: str, at: float | None) -> None:
        with self._locked(service) as home:
            rows = self._rows(service)
            marked = [
                row.model_copy(update={"good": True, "good_at": at if at is not None else row.at})
                if row.version == version
                else row
                for row in rows
            ]
            if marked != rows:
                self._save(home, marked)

    def _save(self, home: Path, rows: list[ConfigVersion]) -> None:
        body = json.dumps([row.model_dump(mode="json") for row in rows], indent=1)
        write_atomic(home / "index.json", body.encode(), mode=0o600)

    @contextmanager
    def _locked(self, service: str) -> Iterator[Path]:
        home = self._home(service)
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(home / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield home
        finally:
            os.close(handle)
