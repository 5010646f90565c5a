"""What deploys changed, read from a real Git checkout."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agents.perception.diffs import effect
from domain.alert import Change
from domain.bundle import Window
from domain.errors import ToolError
from domain.inventory import Inventory, Service
from graph.deploys import ReadDeploys
from tools.git import Checkout

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = (NOON.timestamp() - 3600, NOON.timestamp())


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.invalid"]
    ran = subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True)
    return ran.stdout.strip()


def commit(folder: Path, **files: str) -> str:
    for name, text in files.items():
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "http.py").write_text(text)
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "x")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Three commits; the second tightens a limit of the api, the third touches the web."""
    folder = tmp_path_factory.mktemp("repository")
    git(folder, "init", "-q")
    first = commit(folder, api="timeout_s = 30\npassword=hunter22\n", web="x = 1\n")
    second = commit(folder, api="timeout_s = 3\npassword=hunter33\n")
    return folder, [first, second, commit(folder, web="x = 2\n")]


def deploy(name: str, age: timedelta, service: str = "api", **more: str) -> Change:
    return Change.model_validate({"id": name, "kind": "deploy", "time": NOON - age, "service": service, **more})


async def told(changes: list[Change], folder: Path, *, source: list[str], window: Window = HOUR) -> list[Change]:
    async def known(asked: Window) -> list[Change]:
        return [c for c in changes if asked[0] <= c.time.timestamp() <= asked[1]]

    api = Service(name="api", kind="api", repository=folder.name, source=source)
    inventory = Inventory(services=[api, Service(name="web", kind="api")])
    return await ReadDeploys(known, inventory, folder.parent)(window)


async def test_a_deploy_carries_everything_since_the_one_before(repository: tuple[Path, list[str]]) -> None:
    """The range goes from what ran before, days ago, to what was rolled out; only the service's parts, and no secret."""
    folder, (first, second, third) = repository
    before = deploy("old", timedelta(days=20), commit=first)
    (found,) = await told([before, deploy("new", timedelta(minutes=9), commit=third)], folder, source=["api"])
    assert "-timeout_s = 30\n" in found.diff
    assert "+timeout_s = 3\n" in found.diff
    assert (found.files, "hunter" in found.diff) == (["api/http.py"], False)
    assert effect(found.diff, found.files, "").kind == "a limit became 10 times tighter"
    (by_commit,) = await told([deploy("c", timedelta(minutes=5), commit=second, kind="commit")], folder, source=[])
    assert "+timeout_s = 3" in by_commit.diff


async def test_what_git_does_not_know_stays_as_it_was_told(repository: tuple[Path, list[str]]) -> None:
    """No deploy before, no repository, no such commit, a diff already there: nothing is guessed and nothing fails."""
    folder, (first, *_) = repository
    alone = [deploy("only", timedelta(minutes=9), commit=first)]
    assert await told(alone, folder, source=[]) == alone
    unknown = [
        deploy("old", timedelta(minutes=30), commit=first),
        deploy("new", timedelta(minutes=20), commit="0" * 40),
        deploy("option", timedelta(minutes=10), commit="--output=/tmp/x"),
        deploy("web", timedelta(minutes=9), "web", commit=first),
        deploy("given", timedelta(minutes=8), commit=first, diff="+x = 1"),
    ]
    assert await told(unknown, folder, source=[]) == unknown


@pytest.mark.parametrize("name", ["--output=x", "-O", "a..b", "a b", "", "$(id)", "a\nb"])
async def test_only_plain_revisions_reach_git(name: str, tmp_path: Path) -> None:
    """An option, a range or a shell's words are no commit."""
    with pytest.raises(ToolError, match="names no commit"):
        await Checkout(folder=tmp_path).diff(name, "HEAD")
