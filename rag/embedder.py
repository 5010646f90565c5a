"""Text into vectors: the port, and the offline default that needs no download and no network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

Vector = list[float]


class Embedder(Protocol):
    """Makes vectors. `fit` is told the whole corpus before it is embedded; a fixed model ignores it."""

    @property
    def name(self) -> str:
        """Which one; vectors of different names never mix."""
        ...

    def fit(self, corpus: Sequence[str]) -> None:
        """Learn from the corpus, if this embedder learns."""
        ...

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """One vector per text, all of the same length, L2-normalised (a zero vector for empty text)."""
        ...


class LatentSemanticEmbedder:
    """TF-IDF over words and character n-grams, reduced by truncated SVD (latent semantic analysis, Deerwester et al. 1990)."""

    name = "lsa"

    def __init__(self, dimensions: int = 128) -> None:
        self._dimensions = dimensions
        self._pipeline: Any = None

    def fit(self, corpus: Sequence[str]) -> None:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_pipeline, make_union
        from sklearn.preprocessing import Normalizer

        words = TfidfVectorizer(sublinear_tf=True, stop_words="english", ngram_range=(1, 2))
        shapes = TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(3, 5), max_features=20_000)
        union = make_union(words, shapes)
        features: Any = union.fit_transform(list(corpus))
        size = max(2, min(self._dimensions, features.shape[0] - 1, features.shape[1] - 1))
        svd = TruncatedSVD(n_components=size, random_state=7).fit(features)
        self._pipeline = make_pipeline(union, svd, Normalizer(copy=False))

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        if self._pipeline is None:
            raise ValueError("expected fit() before embed(), found an embedder that has seen no corpus")
        return [[float(x) for x in row] for row in self._pipeline.transform(list(texts))]
