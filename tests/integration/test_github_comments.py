"""The contract on a pull request, through GitHub's client library against a double of its API on a real socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from contracts.comment import marker_of
from domain.errors import AuthError, ConfigError, ToolError, ToolUnavailableError
from tests.fakes.github_server import US, GitHubDouble
from tests.fakes.web_server import serving_app
from tools.github import Repository

pytestmark = pytest.mark.integration
EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "deployment-context.json"
MARKER = marker_of("payments")


@pytest.fixture(scope="module")
def served() -> Iterator[GitHubDouble]:
    double = GitHubDouble()
    with serving_app(double.app()) as url:
        double.url = url
        yield double


@pytest.fixture
def github(served: GitHubDouble) -> GitHubDouble:
    served.comments, served.statuses, served.fail = [], [], 0
    return served


def repository(github: GitHubDouble, token: str = "good") -> Repository:
    return Repository(name="acme/shop", token=token, url=github.url)


def test_one_comment_is_kept_up_to_date(github: GitHubDouble) -> None:
    """Written once, then changed in place, also behind a hundred others; the same text writes nothing."""
    for i in range(101):
        github.add("somebody", f"talk {i}")
    place = repository(github)
    first = place.keep_comment(7, MARKER, f"{MARKER}\none")
    assert place.keep_comment(7, MARKER, f"{MARKER}\ntwo") == first
    assert place.keep_comment(7, MARKER, f"{MARKER}\ntwo") == first
    assert [c["body"] for c in github.comments if c["user"]["login"] == US] == [f"{MARKER}\ntwo"]


def test_a_copied_comment_is_not_ours(github: GitHubDouble) -> None:
    """Nobody makes us write into, or believe, their comment."""
    theirs = github.add("mallory", f"{MARKER}\napproved!")
    quoted = github.add(US, f"> {MARKER}\n\nquoted")
    repository(github).keep_comment(7, MARKER, f"{MARKER}\nours")
    assert (theirs["body"], quoted["body"]) == (f"{MARKER}\napproved!", f"> {MARKER}\n\nquoted")
    assert len(github.comments) == 3


@pytest.mark.parametrize(
    ("code", "error"),
    [(401, AuthError), (403, AuthError), (404, ToolError), (422, ToolError), (500, ToolUnavailableError)],
)
def test_refusals_are_told(github: GitHubDouble, code: int, error: type[Exception]) -> None:
    github.fail = code
    with pytest.raises(error):
        repository(github).keep_comment(7, MARKER, "x")
    with pytest.raises(error):
        repository(github).set_status("a" * 40, "success", "x", "firebreak/contract")


def test_nobody_there_and_no_such_name() -> None:
    with pytest.raises(ToolUnavailableError):
        Repository(name="a/b", token="t", url="http://127.0.0.1:9").keep_comment(1, MARKER, "x")
    for name in ("shop", "../x", "a/b/c", "a b/c"):
        with pytest.raises(ConfigError):
            Repository(name=name, token="t")


def test_the_command_comments_and_sets_the_status(
    github: GitHubDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = CliRunner()
    document = json.loads(run.invoke(app, ["contract", "draft", str(EXAMPLE), "--json"]).stdout)
    file = tmp_path / "contract.json"
    file.write_text(json.dumps({**document, "head": "c" * 40}))
    words = ["contract", "comment", str(file), "--pr", "7", "--github", "acme/shop", "--json"]
    monkeypatch.setenv("GITHUB_API_URL", github.url)
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    assert "no token" in str(run.invoke(app, words).exception)
    monkeypatch.setenv("GITHUB_TOKEN", "good")
    answer = json.loads(run.invoke(app, words).stdout)
    assert (answer["state"], github.statuses[0]["state"], github.statuses[0]["commit"]) == (
        "pending",
        "pending",
        "c" * 40,
    )
    assert github.statuses[0]["context"] == "firebreak/contract"
    assert github.comments[0]["body"].startswith(MARKER)
    assert "critical risk" in github.comments[0]["body"]
