"""Documents as evidence: what retrieval returns and the port that finds it."""

from __future__ import annotations

from typing import Any, Protocol

from domain.value import Value


class Passage(Value):
    """One retrieved passage; its text is untrusted, whoever wrote it."""

    id: str
    """Stable id of the chunk, e.g. `runbooks/disk-full#how-to-tell-apart`."""
    document: str
    """Path or name of the document it stands in."""
    title: str
    heading: str = ""
    text: str
    score: float
    kind: str = "runbook"
    """runbook, document, config, case"""
    metadata: dict[str, Any] = {}


class Retriever(Protocol):
    """Finds the passages that matter."""

    async def search(self, query: str, *, limit: int = 5, kinds: tuple[str, ...] = ()) -> list[Passage]:
        """Best first; empty `kinds` means all. An empty store returns an empty list."""
        ...


class CaseStore(Protocol):
    """Where closed incidents are remembered."""

    async def remember(self, incident: str, title: str, text: str, metadata: dict[str, Any]) -> str:
        """Store one redacted case; returns its document id. The same incident replaces its older case."""
        ...
