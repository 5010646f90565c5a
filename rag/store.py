"""The store: documents in, passages out. Implements domain.retrieval.Retriever and CaseStore."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.errors import EvidenceError
from domain.retrieval import Passage
from domain.value import Value
from rag.bm25 import KeywordIndex
from rag.chroma import VectorIndex
from rag.chunk import Chunk, chunks
from rag.document import Document, make_document, read_document
from rag.embedder import Embedder, LatentSemanticEmbedder
from rag.fusion import fuse
from rag.leaflet import passage
from rag.shelf import Shelf

DEPTH = 30
"""How many passages each ranking contributes to the fusion."""


class IngestReport(Value):
    """What became of the files that were offered."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    passages: int = 0
    problems: list[str] = []


@dataclass(slots=True)
class _Index:
    revision: str
    chunks: dict[str, Chunk]
    keywords: KeywordIndex
    fitted: bool


class RagStore:
    """One store in one folder. Searches see what any process has ingested since."""

    def __init__(self, folder: Path, embedder: Embedder | None = None) -> None:
        self._folder = folder
        self._shelf = Shelf(folder / "documents")
        self._embedder = embedder or LatentSemanticEmbedder()
        self._vectors: VectorIndex | None = None
        self._index: _Index | None = None
        self._lock = threading.Lock()

    async def ingest(self, path: Path) -> IngestReport:
        """Read a file or all files below a folder; documents of the same root that are gone are removed."""
        return await asyncio.to_thread(self._ingest, path)

    async def take_in(self, path: Path) -> IngestReport:
        """Ingest, and build the indexes at once, so that the first search of an incident does not wait for them."""
        report = await self.ingest(path)
        await self.search("anything", limit=1)
        return report

    async def search(self, query: str, *, limit: int = 5, kinds: tuple[str, ...] = ()) -> list[Passage]:
        """Best first, by reciprocal rank fusion of vectors and keywords."""
        return await asyncio.to_thread(self._search, query, limit, kinds)

    async def remember(self, incident: str, title: str, text: str, metadata: dict[str, Any]) -> str:
        """Keep a closed incident as a case; a second case of the same incident replaces the first."""
        document = make_document(f"cases/{incident}", title, "case", text, metadata)
        await asyncio.to_thread(self._shelf.put, document)
        return document.id

    def documents(self) -> list[Document]:
        """Everything on the shelf, by id."""
        return self._shelf.all()

    def close(self) -> None:
        """Let go of the folder."""
        if self._vectors is not None:
            self._vectors.close()

    def _ingest(self, path: Path) -> IngestReport:
        files = sorted(f for f in path.rglob("*") if f.is_file()) if path.is_dir() else [path]
        counts = {"added": 0, "changed": 0, "unchanged": 0}
        problems: list[str] = []
        seen: set[str] = set()
        passages = 0
        for file in files:
            if any(part.startswith(".") and part != ".env" for part in file.relative_to(path.parent).parts):
                continue
            try:
                document = read_document(file, path)
            except EvidenceError as error:
                problems.append(error.message)
                continue
            if document is None:
                continue
            seen.add(document.id)
            passages += len(chunks(document))
            counts[self._put(document)] += 1
        removed = self._remove_missing(path, seen) if path.is_dir() else 0
        return IngestReport(**counts, removed=removed, passages=passages, problems=problems)

    def _put(self, document: Document) -> str:
        before = self._shelf.get(document.id)
        if before is not None and before.digest == document.digest:
            return "unchanged"
        self._shelf.put(document)
        return "changed" if before else "added"

    def _remove_missing(self, root: Path, seen: set[str]) -> int:
        prefix = f"{root.name}/"
        gone = [d.id for d in self._shelf.all() if d.id.startswith(prefix) and d.kind != "case" and d.id not in seen]
        for doc_id in gone:
            self._shelf.remove(doc_id)
        return len(gone)

    def _search(self, query: str, limit: int, kinds: Sequence[str]) -> list[Passage]:
        with self._lock:
            index = self._current()
            if not index.chunks or not query.strip():
                return []
            rankings = [index.keywords.rank(query, DEPTH), self._nearest(index, query)]
        ranked = [(index.chunks[i], score) for i, score in fuse(rankings) if i in index.chunks]
        wanted = [(chunk, score) for chunk, score in ranked if not kinds or chunk.kind in kinds]
        return [passage(chunk, score) for chunk, score in wanted[:limit]]

    def rank_by_keywords(self, query: str, limit: int = DEPTH) -> list[str]:
        """Passage ids by keywords alone; for measuring."""
        with self._lock:
            return self._current().keywords.rank(query, limit)

    def rank_by_vectors(self, query: str, limit: int = DEPTH) -> list[str]:
        """Passage ids by vectors alone; for measuring."""
        with self._lock:
            return self._nearest(self._current(), query, limit)

    def _nearest(self, index: _Index, query: str, limit: int = DEPTH) -> list[str]:
        if not index.fitted or self._vectors is None:
            return []
        return self._vectors.rank(self._embedder.embed([query])[0], limit)

    def _current(self) -> _Index:
        revision = self._shelf.revision()
        if self._index is None or self._index.revision != revision:
            self._index = self._build(revision)
        return self._index

    def _build(self, revision: str) -> _Index:
        found = [chunk for document in self._shelf.all() for chunk in chunks(document)]
        texts = [chunk.indexed_text() for chunk in found]
        fitted = len(found) > 2
        if fitted:
            self._embedder.fit(texts)
            self._store_vectors(found, texts)
        keywords = KeywordIndex([(chunk.id, text) for chunk, text in zip(found, texts, strict=True)])
        return _Index(revision=revision, chunks={c.id: c for c in found}, keywords=keywords, fitted=fitted)

    def _store_vectors(self, found: Sequence[Chunk], texts: Sequence[str]) -> None:
        if self._vectors is None:
            self._vectors = VectorIndex(self._folder / "chroma")
        content = hashlib.sha256("\x00".join((self._embedder.name, *texts)).encode()).hexdigest()
        if self._vectors.revision() != content:
            self._vectors.replace(content, [c.id for c in found], self._embedder.embed(texts))


def open_store(folder: Path, embedder: Embedder | None = None) -> RagStore:
    """The store in `folder`; nothing heavy is loaded before the first search."""
    return RagStore(folder, embedder)
