"""The store from documents to passages."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.bm25 import KeywordIndex
from rag.embedder import LatentSemanticEmbedder
from rag.openai import OpenAIEmbedder
from rag.shelf import Shelf
from rag.store import RagStore

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RagStore]:
    """An empty store."""
    opened = RagStore(tmp_path / "rag")
    yield opened
    opened.close()


def _write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.md").write_text(text)
    return folder


async def test_an_empty_store_finds_nothing(store: RagStore) -> None:
    """Searching an empty store is an empty answer, not an error."""
    assert await store.search("anything") == []


async def test_unchanged_documents_are_left_alone_and_missing_ones_go(store: RagStore, tmp_path: Path) -> None:
    """Ingesting twice adds nothing; a changed file is changed; a deleted one is removed."""
    docs = _write(tmp_path / "docs", one="# One\n\nalpha", two="# Two\n\nbeta", three="# Three\n\ngamma")
    first = await store.ingest(docs)
    assert (first.added, first.unchanged, first.passages) == (3, 0, 3)
    _write(docs, one="# One\n\nalpha and omega")
    (docs / "two.md").unlink()
    second = await store.ingest(docs)
    assert (second.added, second.changed, second.unchanged, second.removed) == (0, 1, 1, 1)
    found = await store.search("omega")
    assert [p.document for p in found][:1] == ["docs/one.md"]
    assert found[0].heading == "One"


async def test_a_file_that_cannot_be_read_is_reported_and_the_rest_is_taken(store: RagStore, tmp_path: Path) -> None:
    """One broken file does not stop the others."""
    docs = _write(tmp_path / "docs", good="# Good\n\ntext")
    (docs / "bad.md").write_bytes(b"\xff")
    (docs / ".hidden.md").write_text("# Hidden")
    (docs / "picture.png").write_bytes(b"x")
    report = await store.ingest(docs)
    assert (report.added, len(report.problems)) == (1, 1)


async def test_a_single_file_can_be_ingested(store: RagStore, tmp_path: Path) -> None:
    """A file instead of a folder is taken as one document."""
    docs = _write(tmp_path / "docs", one="# One\n\nalpha")
    assert (await store.ingest(docs / "one.md")).added == 1


async def test_cases_are_remembered_redacted_and_replaced(store: RagStore) -> None:
    """A second case of the same incident replaces the first, and no secret is kept."""
    await store.remember("inc-1", "Case", "# Case\n\nthe token=abcdef0123456789 leaked", {})
    await store.remember("inc-1", "Case", "# Case\n\nthe disk was full", {"service": "api"})
    found = await store.search("disk full", kinds=("case",))
    assert len(found) == 1
    assert found[0].kind == "case"
    assert await store.search("abcdef0123456789", kinds=("runbook",)) == []


async def test_the_shipped_runbooks_answer_a_log_line(store: RagStore) -> None:
    """A real error message finds its runbook first, with a passage that can be cited."""
    await store.ingest(ROOT / "runbooks")
    found = await store.search("No space left on device while writing receipts")
    assert found[0].document == "runbooks/disk-full"
    assert found[0].id.startswith("runbooks/disk-full#")
    assert store.rank_by_keywords("disk full")[0].startswith("runbooks/")
    assert store.rank_by_vectors("disk full")[0].startswith("runbooks/")


async def test_two_processes_may_search_one_store(store: RagStore, tmp_path: Path) -> None:
    """A second opener sees the same documents without disturbing the first."""
    await store.ingest(_write(tmp_path / "docs", one="# One\n\nalpha", two="# Two\n\nbeta", three="# Three\n\ngamma"))
    assert await store.search("beta")
    other = RagStore(tmp_path / "rag")
    try:
        assert [p.document for p in await other.search("beta")][:1] == ["docs/two.md"]
    finally:
        other.close()


def test_a_torn_file_on_the_shelf_is_left_out(tmp_path: Path) -> None:
    """An unreadable document does not hide the others."""
    shelf = Shelf(tmp_path)
    (tmp_path / "torn.json").write_text("{")
    assert shelf.all() == []
    assert shelf.get("nothing") is None


def test_the_offline_embedder_must_see_a_corpus_first() -> None:
    """Embedding before fitting says what was expected."""
    with pytest.raises(ValueError, match="expected fit"):
        LatentSemanticEmbedder().embed(["x"])


def test_keywords_without_a_match_find_nothing() -> None:
    """A query that shares no word with the corpus, an empty corpus and stop words alone find nothing."""
    assert KeywordIndex([]).rank("x", 3) == []
    index = KeywordIndex([("a", "disk full"), ("b", "lock held")])
    assert index.rank("zebra", 3) == []
    assert index.rank("the", 3) == []
    assert index.rank("disk", 3) == ["a"]


def test_the_endpoint_embedder_learns_nothing_and_says_its_model() -> None:
    """Vectors of different models never mix: the name carries the model."""
    embedder = OpenAIEmbedder(model="m", base_url="http://127.0.0.1:9/v1", api_key="")
    embedder.fit(["x"])
    assert embedder.name == "openai:m"
