"""The composite Action: its own script, run as a job would, against a double of GitHub's API."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

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


def test_a_job_drafts_tells_and_fails_by_the_contract(github: GitHubDouble, tmp_path: Path) -> None:
    """A dropped column: drafted from the range, told on the pull request, and the job fails with the reasons."""
    git = Git(tmp_path / "shop")
    base = git.commit({"db/1.sql": "CREATE TABLE orders (id int, note text);\n"})
    head = git.commit({"db/migrations/2.sql": "ALTER TABLE orders DROP COLUMN note;\n"})
    ran = subprocess.run(
        ["bash", "-c", step()["run"]],
        cwd=git.folder,
        env=_environment(github, tmp_path, BASE=base, HEAD=head, SERVICE="pay; touch /tmp/x"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 3, ran.stderr
    assert "it cannot be taken back" in ran.stdout
    assert "level=" in (tmp_path / "output").read_text()
    (body,) = github.ours()
    assert "pay; touch" in body
    assert [(s["commit"], s["state"]) for s in github.statuses] == [(head, "pending")]


def _environment(github: GitHubDouble, place: Path, **more: str) -> dict[str, str]:
    inputs = {name: str(ACTION["inputs"][value[12:-3]].get("default", "")) for name, value in step()["env"].items()}
    job = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "RUNNER_TEMP": str(place),
        "GITHUB_OUTPUT": str(place / "output"),
        "GITHUB_REPOSITORY": NAME,
        "GITHUB_API_URL": github.url,
    }
    return inputs | job | {"GITHUB_TOKEN": "good", "NUMBER": str(NUMBER), "AUTHOR": US} | more
