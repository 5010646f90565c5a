"""Keyword ranking (BM25, Robertson & Walker 1994) through bm25s."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class KeywordIndex:
    """An in-memory index over (id, text) pairs; rebuilt when the corpus changes."""

    def __init__(self, items: Sequence[tuple[str, str]]) -> None:
        self._ids = [item_id for item_id, _ in items]
        self._index: Any = None
        if items:
            self._index = _build([text for _, text in items])

    def rank(self, query: str, limit: int) -> list[str]:
        """Ids of the best matches, best first; those that share no word with the query are left out."""
        if self._index is None:
            return []
        import bm25s

        tokens: Any = bm25s.tokenize([query], stopwords="en", show_progress=False)
        if not tokens.vocab:
            return []
        found, scores = self._index.retrieve(tokens, k=min(limit, len(self._ids)), show_progress=False)
        return [self._ids[int(i)] for i, score in zip(found[0], scores[0], strict=True) if score > 0]


def _build(texts: Sequence[str]) -> Any:
    import bm25s

    index = bm25s.BM25()
    index.index(bm25s.tokenize(list(texts), stopwords="en", show_progress=False), show_progress=False)
    return index
