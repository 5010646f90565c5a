"""Vectors from any OpenAI-compatible endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rag.embedder import Vector


class OpenAIEmbedder:
    """Asks an endpoint. Text that reaches it is redacted before (documents are, when they are read)."""

    def __init__(self, *, model: str, base_url: str, api_key: str, timeout_s: float = 20.0) -> None:
        self.name = f"openai:{model}"
        self._arguments: dict[str, Any] = {
            "model": model,
            "base_url": base_url or None,
            "api_key": api_key or "none",
            "timeout": timeout_s,
            "check_embedding_ctx_length": False,
        }
        self._client: Any = None

    def fit(self, corpus: Sequence[str]) -> None:
        """Nothing to learn."""

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        if self._client is None:
            from langchain_openai import OpenAIEmbeddings

            self._client = OpenAIEmbeddings(**self._arguments)
        vectors: list[Vector] = self._client.embed_documents(list(texts))
        return vectors
