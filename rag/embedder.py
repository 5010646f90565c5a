"""Text into vectors: the port, and the offline default that needs no download and no network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

Vector = list[float]


LEARNT_FROM = 2000
"""At most so many passages, evenly spaced, decide the axes; all are projected on them. Bounds time and memory of a fit."""


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
    """TF-IDF over words and character n-grams, reduced by latent semantic analysis (Deerwester et al. 1990)."""

    name = "lsa-2"

    def __init__(self, dimensions: int = 128) -> None:
        self._dimensions = dimensions
        self._features: Any = None
        self._axes: Any = None

    def fit(self, corpus: Sequence[str]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_union

        words = TfidfVectorizer(sublinear_tf=True, stop_words="english", ngram_range=(1, 2))
        shapes = TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(3, 5), max_features=20_000)
        self._features = make_union(words, shapes)
        features: Any = self._features.fit_transform(list(corpus))
        step = -(-features.shape[0] // LEARNT_FROM)
        self._axes = _axes(features[::step], self._dimensions)

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        import numpy as np
        from sklearn.preprocessing import normalize

        if self._features is None:
            raise ValueError("expected fit() before embed(), found an embedder that has seen no corpus")
        vectors: list[Vector] = np.asarray(normalize(self._features.transform(list(texts)) @ self._axes)).tolist()
        return vectors


def _axes(features: Any, dimensions: int) -> Any:
    """The leading right singular vectors of a sparse (passages x features) matrix, as (features x dimensions).

    There are far fewer passages than features, so they come from the eigenvectors of the small Gram matrix (the method
    of snapshots, Sirovich 1987): exact, and without one dense matrix over all features per iteration.
    """
    import numpy as np

    count = features.shape[0]
    size = max(2, min(dimensions, count - 1))
    values, vectors = np.linalg.eigh((features @ features.T).toarray())
    kept = (values > values[-1] * 1e-9) & (np.arange(count) >= count - size)
    axes = features.T @ (vectors[:, kept] / np.sqrt(values[kept]))
    largest = np.argmax(np.abs(axes), axis=0)
    return axes * np.sign(axes[largest, range(axes.shape[1])])
