"""Vectors in an embedded Chroma."""

from __future__ import annotations

import fcntl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rag.embedder import Vector


class VectorIndex:
    """One collection. The folder belongs to one process at a time; a second one works on a copy in memory."""

    def __init__(self, folder: Path, name: str = "passages") -> None:
        import chromadb
        from chromadb.config import Settings

        folder.mkdir(parents=True, exist_ok=True)
        settings = Settings(anonymized_telemetry=False)
        self._lock = (folder / "owner.lock").open("a")
        self.persistent = _locked(self._lock)
        self._client: Any = (
            chromadb.PersistentClient(str(folder), settings=settings)
            if self.persistent
            else chromadb.EphemeralClient(settings=settings)
        )
        self._name = name if self.persistent else f"{name}-{id(self)}"
        self._collection: Any = self._client.get_or_create_collection(
            self._name, metadata={"hnsw:space": "cosine"}, embedding_function=None
        )

    def revision(self) -> str:
        """What the stored vectors were made from (see `replace`); empty when nothing is stored."""
        return str((self._collection.metadata or {}).get("revision", "")) if self._collection.count() else ""

    def replace(self, revision: str, ids: Sequence[str], vectors: Sequence[Vector]) -> None:
        """Forget everything and store these vectors under `revision`."""
        self._client.delete_collection(self._name)
        self._collection = self._client.create_collection(
            self._name, metadata={"hnsw:space": "cosine", "revision": revision}, embedding_function=None
        )
        for start in range(0, len(ids), 1000):
            part = slice(start, start + 1000)
            self._collection.add(ids=list(ids[part]), embeddings=[list(v) for v in vectors[part]])

    def rank(self, vector: Vector, limit: int) -> list[str]:
        """Ids of the nearest vectors, nearest first."""
        count = self._collection.count()
        if not count:
            return []
        found = self._collection.query(query_embeddings=[vector], n_results=min(limit, count), include=["distances"])
        return [str(i) for i in found["ids"][0]]

    def close(self) -> None:
        """Give the folder free for another process."""
        self._lock.close()


def _locked(stream: Any) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
