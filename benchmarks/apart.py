"""Telling causes apart: is the statement that decides between two look-alikes shown? Contrast against plain retrieval."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from agents.apart import CANDIDATES, apart_query, look_alike, told_apart
from domain.diagnosis import Diagnosis, DiagnosisVerdict, Evidence, Hypothesis
from domain.retrieval import Passage, Retriever
from rag.leaflet import leaflet_of
from rag.store import RagStore

ROOT = Path(__file__).resolve().parents[1]
SHOWN = 2
"""Passages or statements per hypothesis."""
EXCERPT = 240
"""Characters of a passage that evidence shows."""
BEGINNING = 24
"""Characters of the wanted statement that must be visible."""


def main() -> int:
    """Print the table."""
    labelled = yaml.safe_load((ROOT / "benchmarks" / "apart_pairs.yaml").read_text())
    with tempfile.TemporaryDirectory() as folder:
        (docs := Path(folder) / "docs").mkdir()
        for name, text in labelled["documents"].items():
            (docs / name).write_text(text)
        store = RagStore(Path(folder) / "rag")
        asyncio.run(store.ingest(ROOT / "runbooks"))
        asyncio.run(store.ingest(docs))
        leaflet = leaflet_of(ROOT / "runbooks", labelled["documents"].items())
        asyncio.run(store.search("warm up"))
        out = sys.stdout.write
        out(
            f"telling apart: {len(labelled['pairs'])} labelled pairs of look-alikes; shown are {SHOWN} texts per cause\n"
        )
        out(
            "hit: the deciding statement is among what is shown for the first cause; text: characters shown; one core\n"
        )
        out(f"{'method':<34} {'shipped':>8} {'foreign':>8} {'text':>7} {'ms/cause':>9}\n")
        for method, shown in (
            ("plain: cause, passages cut", lambda d: plain(store, d, query=d.hypotheses[0].statement)),
            ("plain: cause, whole passages", lambda d: plain(store, d, query=d.hypotheses[0].statement, cut=10_000)),
            ("plain: both causes, passages cut", lambda d: plain(store, d)),
            ("plain: both causes, whole passages", lambda d: plain(store, d, cut=10_000)),
            ("contrast over the store", lambda d: contrasted(store, d)),
            ("contrast over the leaflet", lambda d: contrasted(leaflet, d)),
        ):
            out(f"{method:<34} {row(labelled['pairs'], shown)}\n")
        store.close()
    return 0


def row(pairs: list[dict[str, Any]], shown: Any) -> str:
    """Hit rates of both sets, mean length of what is shown and time."""
    started = time.perf_counter()
    found = [(p["set"], shown(diagnosis_of(p)), p["want"]) for p in pairs]
    ms = (time.perf_counter() - started) * 1000 / len(pairs)
    rates = []
    for name in ("shipped", "foreign"):
        hits = [any(w[:BEGINNING] in text for w in want for text in texts) for s, texts, want in found if s == name]
        rates.append(f"{sum(hits) / len(hits):>8.3f}")
    length = sum(len(text) for _, texts, _ in found for text in texts) / len(found)
    return f"{' '.join(rates)} {length:>7.0f} {ms:>9.1f}"


def diagnosis_of(pair: dict[str, Any]) -> Diagnosis:
    """Two hypotheses with one observation each."""
    sides = list(enumerate((pair["a"], pair["b"]), 1))
    rows = [
        Hypothesis(rank=n, service="api", fault_class=c, confidence=0.8 / n, statement=s, evidence=[f"E{n}"])
        for n, (c, s, _) in sides
    ]
    seen = [Evidence(id=f"E{n}", kind="reading", source="probe", service="api", excerpt=e) for n, (_, _, e) in sides]
    return Diagnosis(incident="i", verdict=DiagnosisVerdict.FAULT, confidence=0.8, hypotheses=rows, evidence=seen)


def plain(store: Retriever, diagnosis: Diagnosis, *, query: str = "", cut: int = EXCERPT) -> list[str]:
    """The best passages by retrieval alone."""
    first = diagnosis.hypotheses[0]
    asked = query or apart_query(first, look_alike(first, diagnosis.hypotheses))
    found: list[Passage] = asyncio.run(store.search(asked, limit=CANDIDATES))
    return [p.text.replace("**", "")[:cut] for p in found[:SHOWN]]


def contrasted(retriever: Retriever, diagnosis: Diagnosis) -> list[str]:
    """The statements that the first hypothesis carries."""
    found = asyncio.run(told_apart(diagnosis.model_copy(update={"hypotheses": diagnosis.hypotheses[:2]}), retriever))
    return [e.excerpt for e in found.evidence if e.id in found.hypotheses[0].apart]


if __name__ == "__main__":
    raise SystemExit(main())
