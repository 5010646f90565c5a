"""`firebreak skill …` as a person uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.agent import target_and_stages
from cli.main import app
from domain.errors import ConfigError
from tests.unit.skills.shelf import GOOD, shelve

runner = CliRunner()
CARD = Path(__file__).resolve().parents[3] / "docs" / "examples" / "task-card.yaml"


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


def test_stages_stand_beside_each_other() -> None:
    """Several words after --stages, with commas, or the option again; what is no stage is the target, and there is one."""
    assert target_and_stages(["api", "diagnosis", "recovery"], ["detection"]) == (
        "api",
        ["detection", "diagnosis", "recovery"],
    )
    assert target_and_stages(["diagnosis"], ["detection,recovery"]) == ("", ["detection", "recovery", "diagnosis"])
    assert target_and_stages(["diagnosis"], []) == ("diagnosis", []), "without the option a service may be called so"
    with pytest.raises(ConfigError, match="one service"):
        target_and_stages(["api", "db"], ["detection"])


def test_a_target_file_is_told_to_be_bound_to_a_service() -> None:
    """Before anything is asked of an app."""
    for words in (
        ("skill", "run", "rolling-restart", "far.yaml"),
        ("agent", "run", "far.yaml", "--task-card", str(CARD)),
    ):
        answer = runner.invoke(app, [*words])
        assert "path: far.yaml" in getattr(answer.exception, "hint", ""), answer.output


def test_the_catalogue_is_there_before_anything_runs(tmp_path: Path) -> None:
    """What is shipped, from disk, and it is said; nothing is started or written for it."""
    home = ["--home", str(tmp_path / "home")]
    listed = runner.invoke(app, [*home, "skill", "list", "--json"])
    assert listed.exit_code == 0, listed.output
    rows = {row["name"]: row["trust"] for row in json.loads(listed.stdout)["skills"]}
    assert rows["hung-process"] == "draft"
    assert "No Firebreak runs in" in listed.stderr
    shown = runner.invoke(app, [*home, "skill", "show", "hung-process"])
    assert "hidden checks" in shown.stdout
    assert runner.invoke(app, [*home, "skill", "show", "hung-proces"]).exit_code != 0
    assert not (tmp_path / "home").exists()
