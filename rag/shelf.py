"""The documents on disk, one JSON file each: what is kept. Both indexes are made from them and can be made again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from pydantic import ValidationError

from rag.document import Document


class Shelf:
    """A folder of documents. Writers replace whole files, so readers in other processes never see half of one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, document: Document) -> None:
        """Store a document, replacing the one with the same id."""
        file = self._file(document.id)
        temporary = file.with_suffix(f".{os.getpid()}.new")
        temporary.write_text(document.model_dump_json())
        temporary.replace(file)

    def get(self, doc_id: str) -> Document | None:
        """The document of that id."""
        return _read(self._file(doc_id))

    def remove(self, doc_id: str) -> None:
        """Forget a document."""
        self._file(doc_id).unlink(missing_ok=True)

    def all(self) -> list[Document]:
        """All documents, by id; an unreadable file is left out."""
        found = [document for file in self._folder.glob("*.json") if (document := _read(file))]
        return sorted(found, key=lambda d: d.id)

    def revision(self) -> str:
        """Changes whenever a document is added, changed or removed (names, sizes and times of the files)."""
        rows = sorted((f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in self._folder.glob("*.json"))
        return hashlib.sha256(repr(rows).encode()).hexdigest()[:32]

    def _file(self, doc_id: str) -> Path:
        return self._folder / f"{hashlib.sha256(doc_id.encode()).hexdigest()[:32]}.json"


def _read(file: Path) -> Document | None:
    try:
        return Document.model_validate_json(file.read_text())
    except (OSError, ValidationError):
        return None
