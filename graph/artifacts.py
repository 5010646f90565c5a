"""Where outputs lie: content-addressed canonical JSON (RFC 8785), so that a name proves its content."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import os
import re
from pathlib import Path
from typing import Any, Protocol

from domain.errors import NotFoundError, StorageError
from domain.redaction import redact_json
from domain.value import canonical

_DIGEST = re.compile(r"[0-9a-f]{64}")
_LARGEST = 2**53
"""RFC 8785 numbers are IEEE 754 doubles: a larger integer would come back as another one."""


class Artifacts(Protocol):
    """A store of documents by the SHA-256 of their canonical form. Putting the same twice keeps it once."""

    async def put(self, document: dict[str, Any]) -> str:
        """Keep a redacted document; its full SHA-256 in hex."""
        ...

    async def get(self, sha256: str) -> dict[str, Any]:
        """Raises NotFoundError, and StorageError when the content does not have that digest any more."""
        ...


class FileArtifacts:
    """Files `ab/cdef….json` below one folder; `sha256sum` of a file is its name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, document: dict[str, Any]) -> str:
        return await asyncio.to_thread(self._write, encoded(document))

    async def get(self, sha256: str) -> dict[str, Any]:
        return decoded(sha256, await asyncio.to_thread(self._read, sha256))

    def _write(self, body: bytes) -> str:
        sha256 = hashlib.sha256(body).hexdigest()
        file = self._file(sha256)
        if file.exists():
            return sha256
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(f".{os.getpid()}.new")
        temporary.write_bytes(body)
        temporary.replace(file)
        return sha256

    def _read(self, sha256: str) -> bytes | None:
        file = self._file(sha256) if _DIGEST.fullmatch(sha256) else None
        return file.read_bytes() if file is not None and file.exists() else None

    def _file(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / f"{sha256[2:]}.json"


class MemoryArtifacts:
    """The same in a dictionary, for rehearsals and tests."""

    def __init__(self) -> None:
        self._bodies: dict[str, bytes] = {}

    async def put(self, document: dict[str, Any]) -> str:
        body = encoded(document)
        sha256 = hashlib.sha256(body).hexdigest()
        self._bodies[sha256] = body
        return sha256

    async def get(self, sha256: str) -> dict[str, Any]:
        return decoded(sha256, self._bodies.get(sha256))


def encoded(document: dict[str, Any]) -> bytes:
    """Redacted, canonical bytes."""
    return canonical(storable(redact_json(document)))


def decoded(sha256: str, body: bytes | None) -> dict[str, Any]:
    """The document, after its digest was compared."""
    if body is None:
        raise NotFoundError(
            "there is no such artifact", expected="the full SHA-256 of an output", found=repr(sha256[:80])
        )
    found = hashlib.sha256(body).hexdigest()
    if found != sha256:
        raise StorageError(
            "an artifact was changed after it was stored",
            expected=sha256,
            found=found,
            hint="do not rely on it; the ledger has what was done",
            code="artifact.tampered",
        )
    document: dict[str, Any] = json.loads(body)
    return document


def storable(value: Any) -> Any:
    """JSON that RFC 8785 can carry: infinities, NaN and integers beyond 2^53 become text."""
    match value:
        case dict():
            return {str(k): storable(v) for k, v in value.items()}
        case list() | tuple():
            return [storable(v) for v in value]
        case bool():
            return value
        case int() if abs(value) >= _LARGEST:
            return str(value)
        case float() if not math.isfinite(value):
            return str(value)
        case _:
            return value
