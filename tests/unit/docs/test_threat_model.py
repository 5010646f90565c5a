"""The threat model names its proofs, and they exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "threat-model.md").read_text()
PROOFS = sorted(set(re.findall(r"`(tests/[\w/]+\.py::\w+)`", TEXT)))
TABLES = TEXT.partition("## See it for yourself")[0]
ROWS = [line for line in TABLES.splitlines() if line.startswith("| ") and not line.startswith("| adversary")]


@pytest.mark.parametrize("proof", PROOFS)
def test_every_named_test_exists(proof: str) -> None:
    """File and function, read from the source."""
    file, _, name = proof.partition("::")
    tree = ast.parse((ROOT / file).read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    assert name in {node.name for node in tree.body if isinstance(node, kinds)}


@pytest.mark.parametrize("row", ROWS)
def test_every_adversary_has_a_proof(row: str) -> None:
    """A row without a test would be a hope."""
    adversary, control, proof = [cell.strip() for cell in row.strip("|").split(" | ")]
    assert adversary
    assert control
    assert "::test_" in proof


PAGES = [page for folder in ("docs", "docs/how-to") for page in sorted((ROOT / folder).glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_names_exists(page: Path) -> None:
    """Tests that a reader is told to run, and pages that a link leads to."""
    text = page.read_text()
    named = [ROOT / name for name in re.findall(r"\b(tests/[\w/]+\.py)\b", text)]
    linked = [page.parent / target for target in re.findall(r"\]\(([\w./-]+)\)", text)]
    assert [path for path in (*named, *linked) if not path.exists()] == []
