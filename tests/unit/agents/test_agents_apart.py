"""Runbook statements that tell a cause from its look-alike: single ones, about the difference, cited but speaking for nobody."""

from __future__ import annotations

from pathlib import Path

from agents.apart import SUPPORTS, told_apart
from agents.perception.passages import statements
from domain.diagnosis import Diagnosis, DiagnosisVerdict, Evidence, Hypothesis
from domain.retrieval import Passage
from rag.leaflet import Leaflet, leaflet_of
from rag.store import RagStore

RUNBOOKS = Path(__file__).resolve().parents[3] / "runbooks"
LOCK = ("long_transactions", "a transaction blocks others", "5 sessions wait for a lock held by pid 12")
POOL = ("pool_exhaustion", "the pool is full", "pool 20 of 20 in use, 14 waiting")


def diagnosed(*sides: tuple[str | None, str, str]) -> Diagnosis:
    rows = [
        Hypothesis(rank=n, service="api", fault_class=c, confidence=0.8 / n, statement=s, evidence=[f"E{n}"])
        for n, (c, s, _) in enumerate(sides, 1)
    ]
    seen = [
        Evidence(id=f"E{n}", kind="reading", source="probe", service="api", excerpt=e)
        for n, (_, _, e) in enumerate(sides, 1)
    ]
    return Diagnosis(incident="i", verdict=DiagnosisVerdict.FAULT, confidence=0.8, hypotheses=rows, evidence=seen)


async def test_the_deciding_statement_is_carried() -> None:
    """A lock or a full pool: both runbooks' words about the other, as tainted evidence that nothing rests on."""
    found = await told_apart(diagnosed(LOCK, POOL), leaflet_of(RUNBOOKS))
    first = found.hypotheses[0]
    told = {e.id: e for e in found.evidence if e.id in first.apart}
    assert [e.excerpt[:30] for e in told.values()] == [
        "Pool exhaustion by slow reader",
        "Lock contention: sessions wait",
    ]
    assert all(e.tainted and e.kind == "runbook" and e.supports.startswith(SUPPORTS) for e in told.values())
    assert not set(first.apart) & {*first.evidence, *first.against}
    assert "pool exhaustion" in next(iter(told.values())).supports


async def test_only_what_is_about_the_difference() -> None:
    """Causes of no class, and a library that says nothing about either, give nothing rather than something."""
    unnamed = diagnosed((None, "api is where it starts", "api slow"), (None, "db is where it starts", "db slow"))
    found = await told_apart(unnamed, leaflet_of(RUNBOOKS))
    assert [h.apart for h in found.hypotheses] == [[], []]
    silent = await told_apart(
        diagnosed(LOCK, POOL), leaflet_of(Path("/nowhere"), [("a.md", "# Tea\n\nBoil water first.\n")])
    )
    assert [h.apart for h in silent.hypotheses] == [[], []]


async def test_without_a_rival_the_own_runbook_speaks() -> None:
    """A single cause still gets what its runbook says about look-alikes."""
    found = await told_apart(diagnosed(LOCK), leaflet_of(RUNBOOKS))
    assert {e.source for e in found.evidence if e.id in found.hypotheses[0].apart} == {"runbooks/lock-contention"}


async def test_a_statement_keeps_its_id() -> None:
    """The same words at the next look are the same evidence."""
    once = await told_apart(diagnosed(LOCK, POOL), leaflet_of(RUNBOOKS))
    again = await told_apart(once, leaflet_of(RUNBOOKS))
    assert again == once


async def test_store_and_leaflet_hand_out_the_same_passages(tmp_path: Path) -> None:
    """The index of a home and the leaflet of one look: same ids, same text, classes beside them."""
    store = RagStore(tmp_path / "rag")
    await store.ingest(RUNBOOKS)
    rows = [await r.search("credential revoked", limit=200) for r in (store, leaflet_of(RUNBOOKS))]
    store.close()
    one, other = ({p.id: p for p in found} for found in rows)
    shared = one.keys() & other.keys()
    assert shared
    assert all((one[i].text, one[i].metadata) == (other[i].text, other[i].metadata) for i in shared)
    assert any("credential_revoked" in p.metadata.get("fault_classes", "") for p in rows[0])


async def test_an_empty_leaflet_finds_nothing() -> None:
    """No documents, an unreadable one, no shared word."""
    assert await Leaflet(()).search("anything") == []
    assert await leaflet_of(RUNBOOKS).search("zzzzzz") == []


def test_paragraphs_and_bullets_are_statements() -> None:
    """Either form of writing counts; markup around them does not."""
    text = "- **A**: one\n  goes on\n- **B**: two\n"
    passage = Passage(id="a", document="d", title="t", text=text, score=1.0, kind="document")
    assert statements(passage) == ["**A**: one goes on", "**B**: two"]
    assert statements(passage.model_copy(update={"text": "one\nline\n\ntwo"})) == ["one line", "two"]
