"""Retrieval over the shipped runbooks: nDCG@5 and recall@3 of keywords, vectors and their fusion, in one run."""

from __future__ import annotations

import asyncio
import math
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from domain.retrieval import Passage
from rag.store import RagStore

ROOT = Path(__file__).resolve().parents[1]
Search = Callable[[str], list[str]]


def main() -> int:
    """Print the table."""
    queries: list[dict[str, Any]] = yaml.safe_load((ROOT / "benchmarks" / "retrieval_queries.yaml").read_text())
    with tempfile.TemporaryDirectory() as folder:
        store = RagStore(Path(folder))
        report = asyncio.run(store.ingest(ROOT / "runbooks"))
        searches = _searches(store)
        searches["fused"]("warm up")
        out = sys.stdout.write
        out(f"retrieval: {report.added} runbooks, {report.passages} passages, {len(queries)} labelled queries\n")
        out(
            "each query is answered with passages; a runbook counts at its best passage; offline embedder: TF-IDF + SVD\n"
        )
        out(f"{'ranking':<10} {'split':<10} {'nDCG@5':>7} {'recall@3':>9} {'ms/query':>9}\n")
        for name, search in searches.items():
            for split in ("develop", "validate"):
                chosen = [q for q in queries if q["split"] == split]
                started = time.perf_counter()
                ranked = [search(q["query"]) for q in chosen]
                ms = (time.perf_counter() - started) * 1000 / len(chosen)
                pairs = list(zip(ranked, [q["want"] for q in chosen], strict=True))
                ndcg = sum(ndcg_at(r, w, 5) for r, w in pairs) / len(pairs)
                recall = sum(recall_at(r, w, 3) for r, w in pairs) / len(pairs)
                out(f"{name:<10} {split:<10} {ndcg:>7.3f} {recall:>9.3f} {ms:>9.1f}\n")
        store.close()
    return 0


def ndcg_at(ranked: list[str], want: dict[str, int], k: int) -> float:
    """Normalised discounted cumulative gain with gains 2^grade - 1 (Järvelin & Kekäläinen 2002)."""
    gain = sum((2 ** want.get(name, 0) - 1) / math.log2(i + 2) for i, name in enumerate(ranked[:k]))
    best = sum((2**grade - 1) / math.log2(i + 2) for i, grade in enumerate(sorted(want.values(), reverse=True)[:k]))
    return gain / best if best else 0.0


def recall_at(ranked: list[str], want: dict[str, int], k: int) -> float:
    """Share of the wanted runbooks (grade 2) among the first k."""
    wanted = {name for name, grade in want.items() if grade == 2}
    return len(wanted & set(ranked[:k])) / len(wanted)


def _searches(store: RagStore) -> dict[str, Search]:
    def fused(query: str) -> list[str]:
        return _documents(asyncio.run(store.search(query, limit=30)))

    def keywords(query: str) -> list[str]:
        return _names(store.rank_by_keywords(query))

    def vectors(query: str) -> list[str]:
        return _names(store.rank_by_vectors(query))

    return {"fused": fused, "keywords": keywords, "vectors": vectors}


def _documents(passages: list[Passage]) -> list[str]:
    return list(dict.fromkeys(p.document.removeprefix("runbooks/") for p in passages))


def _names(ids: list[str]) -> list[str]:
    return list(dict.fromkeys(i.split("#")[0].removeprefix("runbooks/") for i in ids))


if __name__ == "__main__":
    raise SystemExit(main())
