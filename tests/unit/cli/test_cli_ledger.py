"""`firebreak ledger` on a home that does not run: verified, exported, signed, and checked elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from tests.fakes.ledgers import in_file

RUN = CliRunner()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "secrets").mkdir()
    in_file(tmp_path).filled(3)
    return tmp_path


def firebreak(home: Path, *words: str, code: int = 0) -> str:
    done = RUN.invoke(app, ["--home", str(home), *words])
    assert done.exit_code == code, (done.output, done.exception)
    return done.stdout


def test_a_signed_export_verifies_elsewhere(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The file, its signature and its key are enough; a changed one is exit code 3 with the first broken entry."""
    out = tmp_path_factory.mktemp("auditor") / "ledger.jsonl"
    assert "4 entries" in firebreak(home, "ledger", "export", "--out", str(out))
    assert "verified: 4 entries" in firebreak(home, "ledger", "verify", "--export", str(out))
    out.write_bytes(out.read_bytes().replace(b'"n":1', b'"n":7'))
    found = json.loads(firebreak(home, "ledger", "verify", "--export", str(out), "--json", code=3))
    assert (found["verified"], found["broken_at"]) == (False, 2)


def test_an_export_goes_to_stdout_from_the_first_entry_on(home: Path) -> None:
    """Genesis included, in both formats; with --out and --json the manifest is printed."""
    lines = [json.loads(line) for line in firebreak(home, "ledger", "export").splitlines()]
    assert [line["seq"] for line in lines] == [0, 1, 2, 3]
    events = [json.loads(line) for line in firebreak(home, "ledger", "export", "--format", "cloudevents").splitlines()]
    assert [event["type"] for event in events][:2] == ["dev.firebreak.ledger.genesis", "dev.firebreak.ledger.effect"]
    manifest = json.loads(firebreak(home, "ledger", "export", "--out", str(home / "x"), "--json"))
    assert manifest["entries"] == 4


def test_entries_are_found_newest_first(home: Path) -> None:
    """By words and kind, page by page; nothing found is said."""
    lines = firebreak(home, "ledger", "search", "--kind", "effect", "--limit", "2").splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["3", "2"]
    assert lines[2] == "more: the same with --before 2"
    found = json.loads(firebreak(home, "ledger", "search", "--kind", "effect", "--before", "2", "--json"))
    assert ([e["seq"] for e in found["entries"]], found["older"]) == ([1], None)
    assert firebreak(home, "ledger", "search", "unheard", "of") == "no entry matches\n"


def test_a_broken_ledger_is_exit_code_3(home: Path) -> None:
    """The first broken entry is named."""
    assert "genesis" in firebreak(home, "ledger", "show")
    in_file(home).vandalise("DELETE FROM ledger WHERE seq = 2")
    assert "BROKEN at entry 2" in firebreak(home, "ledger", "verify", code=3)
