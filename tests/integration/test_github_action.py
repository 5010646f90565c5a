"""The composite Action: its own script, run as a job would, against a double of GitHub's API."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from cli.main import app
from tests.fakes.github_server import NAME, NUMBER, US, GitHubDouble
from tests.fakes.web_server import serving_app
from tests.unit.contracts.repository import Repository as Git

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())


@pytest.fixture(scope="module")
def github() -> Iterator[GitHubDouble]:
    double = GitHubDouble()
    with serving_app(double.app()) as url:
        double.url = url
        yield double


def step() -> dict[str, Any]:
    (found,) = [s for s in ACTION["runs"]["steps"] if s.get("id") == "contract"]
    return dict(found)


def test_no_input_is_pasted_into_the_script() -> None:
    """What a pull request says reaches the shell as variables only, and every variable has its input."""
    for found in ACTION["runs"]["steps"]:
        assert "${{" not in found.get("run", "")
    inputs = {re.fullmatch(r"\$\{\{ inputs\.([\w-]+) \}\}", v)[1] for v in step()["env"].values()}  # type: ignore[index]
    assert inputs == set(ACTION["inputs"])


def test_a_job_drafts_tells_and_fails_by_the_contract(
    github: GitHubDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dropped column: drafted from the range, told on the pull request, and the job fails with the reasons."""
    git = Git(tmp_path / "shop")
    base = git.commit({"db/1.sql": "CREATE TABLE orders (id int, note text);\n"})
    head = git.commit({"db/migrations/2.sql": "ALTER TABLE orders DROP COLUMN note;\n"})
    service = "pay; touch $HOME/x `id`"
    draft, tell, check = said_by_the_script(tmp_path, BASE=base, HEAD=head, SERVICE=service)
    monkeypatch.chdir(git.folder)
    monkeypatch.setenv("GITHUB_TOKEN", "good")
    monkeypatch.setenv("GITHUB_REPOSITORY", NAME)
    monkeypatch.setenv("GITHUB_API_URL", github.url)
    run = CliRunner()
    drafted = run.invoke(app, draft)
    assert draft[-3:-1] == ["--service", service]
    (tmp_path / "firebreak-contract.json").write_text(drafted.stdout)
    assert run.invoke(app, tell).exit_code == 0
    failed = run.invoke(app, check)
    assert (failed.exit_code, "it cannot be taken back" in failed.stdout) == (3, True)
    level = json.loads(drafted.stdout)["risk"]["level"]
    assert f"level={level}\n" in (tmp_path / "output").read_text()
    assert [(s["commit"], s["state"]) for s in github.statuses] == [(head, "pending")]
    allowed = run.invoke(
        app, ["contract", "check", check[2], "--at-most", "critical", "--irreversible", "allow", "--json"]
    )
    assert (allowed.exit_code, json.loads(allowed.stdout)["reasons"]) == (0, [])


def said_by_the_script(place: Path, **inputs: str) -> list[list[str]]:
    """The words of each command that the script gives, with the inputs' defaults; every one of them succeeds."""
    command = place / "firebreak"
    command.write_text('#!/bin/sh\nfor word in "$@"; do printf "%s\\n" "$word"; done >> "$SAID"; echo -- >> "$SAID"\n')
    command.chmod(0o755)
    defaults = {name: str(ACTION["inputs"][value[11:-3]].get("default", "")) for name, value in step()["env"].items()}
    job = {
        "RUNNER_TEMP": place,
        "GITHUB_OUTPUT": place / "output",
        "SAID": place / "said",
        "NUMBER": NUMBER,
        "AUTHOR": US,
    }
    env = defaults | {name: str(value) for name, value in job.items()} | inputs
    path = f"{place}:{os.environ['PATH']}"
    subprocess.run(["bash", "-c", step()["run"]], cwd=place, env=env | {"PATH": path}, check=True)
    return [words.strip("\n").split("\n") for words in (place / "said").read_text().split("--\n") if words.strip()]
