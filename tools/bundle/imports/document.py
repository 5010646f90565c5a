"""One JSON document, or JSON lines, out of a file's bytes."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from domain.errors import EvidenceError
from tools.bundle.told import Told

MAX_BYTES = 768 * 1024 * 1024
"""Bytes of one imported file after decompression."""


def unreadable(name: str, expected: str, found: str) -> EvidenceError:
    """The error for a file that cannot be imported; it names the file."""
    return EvidenceError(f"cannot import {name}", expected=expected, found=found[:300])


def content_of(path: Path) -> bytes:
    """The file's bytes, unpacked when its name ends in .gz. Raises EvidenceError."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path.name, "a readable file", str(error)) from error
    if len(content) > MAX_BYTES:
        raise unreadable(path.name, f"at most {MAX_BYTES} bytes after decompression", "more")
    return content


def json_document(content: bytes, name: str) -> Any:
    """The file as one JSON document. Raises EvidenceError with the place where it stops being one."""
    try:
        return json.loads(content.decode("utf-8-sig", errors="replace"))
    except (ValueError, RecursionError) as error:
        raise unreadable(name, "one JSON document", f"{error}; the file has {len(content)} bytes") from error


def json_rows(content: bytes, name: str, told: Told) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place, object) of a JSON list, a single object or JSON lines; what is no object is told and skipped."""
    text = content.decode("utf-8-sig", errors="replace").strip()
    if text.startswith("["):
        for position, row in enumerate(json_document(content, name)):
            if isinstance(row, dict):
                yield f"[{position}]", row
            else:
                told.skipped(name, f"[{position}]", f"expected an object, found {type(row).__name__}")
        return
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        whole = None
    if isinstance(whole, dict):
        yield "document", whole
        return
    good = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError(f"expected an object, found {type(row).__name__}")
        except (ValueError, RecursionError) as error:
            told.skipped(name, f"line {number}", error)
            continue
        good += 1
        yield f"line {number}", row
    if text and not good:
        raise unreadable(name, "a JSON document, a JSON list or JSON lines", repr(text[:80]))
