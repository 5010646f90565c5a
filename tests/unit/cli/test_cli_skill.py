"""`firebreak skill …` as a person uses it."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from cli.main import app
from tests.unit.skills.shelf import GOOD, shelve

runner = CliRunner()


def test_validate_names_file_line_and_what_to_do(tmp_path: Path) -> None:
    """Exit code 3, one line per problem."""
    folder = shelve(tmp_path, {**GOOD, "irreversible": ""})
    answer = runner.invoke(app, ["skill", "validate", str(folder)])
    assert answer.exit_code == 3
    assert f"{folder}/assets/skill.yaml:" in answer.output
    assert "nothing takes it back — add a rollback" in answer.output


def test_validate_as_json(tmp_path: Path) -> None:
    """One document with its schema version."""
    shelve(tmp_path)
    answer = runner.invoke(app, ["skill", "validate", str(tmp_path), "--json"])
    found = json.loads(answer.stdout)
    assert (answer.exit_code, found["schema_version"], found["problems"]) == (0, "1", [])
    assert found["skills"][0]["procedure"] is True


def test_a_named_file_stands_for_its_skill(tmp_path: Path) -> None:
    """As an editor would call it."""
    folder = shelve(tmp_path)
    for file in ("SKILL.md", "assets/skill.yaml"):
        assert runner.invoke(app, ["skill", "validate", str(folder / file)]).exit_code == 0


def test_pin_mends_a_changed_digest(tmp_path: Path) -> None:
    """After reading what changed; the second time there is nothing to do."""
    folder = shelve(tmp_path, digest="sha256:0")
    assert runner.invoke(app, ["skill", "validate", str(folder)]).exit_code == 3
    assert "1 pinned" in runner.invoke(app, ["skill", "pin", str(folder)]).output
    assert runner.invoke(app, ["skill", "validate", str(folder)]).exit_code == 0
    assert "pinned already" in runner.invoke(app, ["skill", "pin", str(folder)]).output


def test_the_shipped_ones_are_valid() -> None:
    """Everything in runbooks/ may be used."""
    answer = runner.invoke(app, ["skill", "validate"])
    assert answer.exit_code == 0, answer.output


def test_schema_is_published() -> None:
    """For editors."""
    assert json.loads(runner.invoke(app, ["skill", "schema"]).output)["title"] == "Skill"
