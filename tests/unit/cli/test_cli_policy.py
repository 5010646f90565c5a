"""`firebreak policy …` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app

BAD = """
version: "1"
name: bad
rules:
  - {id: all, why: open, when: "true", verdict: allow}
  - {id: typo, why: x, when: 'target.environment == "prod"', verdict: deny}
"""


def run(*argv: str, home: Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["--home", str(home), "policy", *argv])
    return result.exit_code, result.output


def test_policies_are_listed_shown_and_explained(tmp_path: Path) -> None:
    """Names with revisions, the rules, and the words that rules may use."""
    assert "production@" in run("list", home=tmp_path)[1]
    assert json.loads(run("list", "--json", home=tmp_path)[1])["schema_version"] == "1"
    assert "restart-does-not-help" in run("show", "default", home=tmp_path)[1]
    assert json.loads(run("show", "default", "--json", home=tmp_path)[1])["policy"]["name"] == "default"
    assert "taint.unknown" in run("words", home=tmp_path)[1]
    assert json.loads(run("words", "--json", home=tmp_path)[1])["functions"]["running"]


def test_a_finding_ends_with_code_three(tmp_path: Path) -> None:
    """The finding names the rule and what is wrong with it."""
    file = tmp_path / "bad.yaml"
    file.write_text(BAD)
    code, text = run("check", str(file), home=tmp_path)
    assert code == 3
    assert "typo: never matches" in text
    code, text = run("check", str(file), "--json", home=tmp_path)
    assert code == 3
    document = json.loads(text)
    assert [f["flaw"] for f in document["findings"]] == ["never matches"]
    assert document["clean"] is False


def test_an_example_is_judged_with_its_reasons(tmp_path: Path) -> None:
    """Everything that speaks for or against it, over a file with its own target."""
    policy, example = tmp_path / "open.yaml", tmp_path / "example.json"
    policy.write_text(
        '{version: "1", name: open, rules: [{id: all, why: open, when: "true", verdict: ask, quorum: 2}]}'
    )
    binding = {"process": {"via": "process", "path": "x.pid"}}
    service = {"name": "api", "kind": "api", "environment": "sandbox", "mode": "act", "bindings": binding}
    example.write_text(json.dumps({"action": "restart_service", "target": "api", "service": service}))
    code, text = run("check", str(policy), "--change", str(example), home=tmp_path)
    assert code == 0
    assert "example: ask (2 distinct people)" in text
    assert "no findings" in text


@pytest.mark.parametrize("content", [None, "{}", "no json"])
def test_a_bad_example_is_explained(tmp_path: Path, content: str | None) -> None:
    """Missing, empty or malformed: said so, with what is expected."""
    example = tmp_path / "example.json"
    if content is not None:
        example.write_text(content)
    result = CliRunner().invoke(app, ["--home", str(tmp_path), "policy", "check", "--change", str(example)])
    assert result.exit_code == 1
    assert "example.json" in str(result.exception)
