"""A few documents held in memory and searched by shared words: for one look at a bundle, where building an index costs more."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from domain.errors import EvidenceError
from domain.retrieval import Passage
from rag.chunk import Chunk, chunks
from rag.document import Document, make_document, read_document

_WORD = re.compile(r"[a-z0-9_]{3,}")


class Leaflet:
    """Implements domain.retrieval.Retriever: passages by the rarity of the words that they share with the query."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._chunks = [(c, Counter(_WORD.findall(c.indexed_text().lower()))) for d in documents for c in chunks(d)]
        counts = Counter(w for _, words in self._chunks for w in words)
        self._rare = {w: math.log(1 + len(self._chunks) / n) for w, n in counts.items()}

    async def search(self, query: str, *, limit: int = 5, kinds: tuple[str, ...] = ()) -> list[Passage]:
        """Best first; passages that share no word are left out."""
        sought = set(_WORD.findall(query.lower()))
        found = [(self._score(words, sought), c) for c, words in self._chunks if not kinds or c.kind in kinds]
        best = sorted((row for row in found if row[0] > 0), key=lambda row: (-row[0], row[1].id))
        return [passage(chunk, score) for score, chunk in best[:limit]]

    def _score(self, words: Counter[str], sought: set[str]) -> float:
        length = math.sqrt(sum(words.values()) + 50)
        return sum(self._rare[w] * math.sqrt(words[w]) for w in sought & words.keys()) / length


def passage(chunk: Chunk, score: float) -> Passage:
    """A chunk as it is handed out."""
    return Passage(
        id=chunk.id,
        document=chunk.document,
        title=chunk.title,
        heading=chunk.heading,
        text=chunk.text,
        score=score,
        kind=chunk.kind,
        metadata={"fault_classes": chunk.fault_classes} if chunk.fault_classes else {},
    )


def leaflet_of(folder: Path, extra: Iterable[tuple[str, str]] = ()) -> Leaflet:
    """The runbooks below a folder (one that is not there counts as empty) and extra Markdown texts by name."""
    files = sorted(folder.rglob("*.md")) if folder.is_dir() else []
    found = [_read(file, folder) for file in files]
    found += [make_document(f"docs/{name}", name, "document", text) for name, text in extra]
    return Leaflet(d for d in found if d is not None)


def _read(file: Path, folder: Path) -> Document | None:
    try:
        return read_document(file, folder)
    except EvidenceError:  # an unreadable runbook hides no other
        return None
