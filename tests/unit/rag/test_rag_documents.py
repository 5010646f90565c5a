"""Documents and passages."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import EvidenceError
from rag.chunk import LONGEST, chunks
from rag.document import make_document, read_document, split_front_matter
from rag.fusion import fuse


def test_a_runbook_is_named_by_its_folder_and_knows_its_description(tmp_path: Path) -> None:
    """A SKILL.md becomes a runbook whose id is its folder and whose description is searched."""
    file = tmp_path / "runbooks" / "disk" / "SKILL.md"
    file.parent.mkdir(parents=True)
    file.write_text(
        "---\nname: disk\ndescription: when writes fail\n---\n\n# The disk is full\n\n## Symptoms\n\nENOSPC\n"
    )
    document = read_document(file, tmp_path / "runbooks")
    assert document is not None
    assert (document.id, document.title, document.kind) == ("runbooks/disk", "The disk is full", "runbook")
    assert "when writes fail" in document.text


def test_secrets_in_configuration_are_gone_before_anything_is_stored(tmp_path: Path) -> None:
    """A configuration file is read with its secrets redacted."""
    file = tmp_path / "app.env"
    file.write_text("DATABASE_PASSWORD=hunter2\nPORT=80\n")
    document = read_document(file, tmp_path)
    assert document is not None
    assert document.kind == "config"
    assert "hunter2" not in document.text
    assert "PORT=80" in document.text


def test_files_of_other_kinds_are_left_alone(tmp_path: Path) -> None:
    """A binary file is not a document."""
    file = tmp_path / "picture.png"
    file.write_bytes(b"\x89PNG")
    assert read_document(file, tmp_path) is None


def test_a_file_that_is_not_text_is_an_error_that_names_it(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 in a Markdown file are refused by name."""
    file = tmp_path / "broken.md"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(EvidenceError, match=r"broken\.md"):
        read_document(file, tmp_path)


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    """A file above the limit is refused rather than half read."""
    file = tmp_path / "huge.md"
    file.write_text("x" * 1_000_001)
    with pytest.raises(EvidenceError, match="larger"):
        read_document(file, tmp_path)


@pytest.mark.parametrize(
    "text", ["no front matter", "---\nunclosed: true\n", "---\n: [broken\n---\nbody", "---\n- list\n---\nbody"]
)
def test_broken_front_matter_counts_as_text(text: str) -> None:
    """Nothing is lost when the front matter cannot be read."""
    assert split_front_matter(text) == ({}, text)


def test_headings_inside_code_do_not_split() -> None:
    """A comment line in a code block is not a heading."""
    document = make_document("d", "D", "document", "# One\n\n```\n# not a heading\n```\n\n## Two\n\ntext")
    assert [c.heading for c in chunks(document)] == ["One", "Two"]


@given(st.text(max_size=6000))
def test_passages_are_bounded_unique_and_lose_no_word(text: str) -> None:
    """Every passage fits, has its own id, and every word of the body is in some passage."""
    document = make_document("d", "D", "config", text)
    found = chunks(document)
    assert all(len(c.text) <= LONGEST for c in found)
    assert len({c.id for c in found}) == len(found)
    joined = "".join("".join(c.text.split()) for c in found)
    assert joined == "".join(document.text.split())


@given(st.lists(st.lists(st.sampled_from("abcdef"), unique=True), max_size=4))
def test_fusion_orders_every_item_once_and_agreement_wins(rankings: list[list[str]]) -> None:
    """Each item appears once; scores descend; an item first in every ranking is first."""
    fused = fuse(rankings)
    names = [name for name, _ in fused]
    assert sorted(names) == sorted({x for r in rankings for x in r})
    assert [s for _, s in fused] == sorted((s for _, s in fused), reverse=True)
    if rankings and all(rankings) and len({r[0] for r in rankings}) == 1:
        assert names[0] == rankings[0][0]


def test_hidden_checks_are_never_retrieved(tmp_path: Path) -> None:
    """The procedure is read, what only its verifier may know is not."""
    folder = tmp_path / "disk"
    (folder / "assets").mkdir(parents=True)
    (folder / "SKILL.md").write_text("# Disk\n")
    for name in ("skill.yaml", "hidden.yaml"):
        (folder / "assets" / name).write_text("name: x\n")
    assert read_document(folder / "assets" / "skill.yaml", folder) is not None
    assert read_document(folder / "assets" / "hidden.yaml", folder) is None
