"""Answering from the terminal: over the real HTTP face, with fakes behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from domain.errors import ConfigError, ConflictError, UpstreamError
from governance.guard.people import SignIn
from governance.guard.server import build_action_server
from governance.people import FILE, People
from tests.fakes import web_services, web_story
from tests.fakes.guard import TOKENS, Scene
from tests.fakes.loopback import on_loopback
from tests.fakes.web_server import serving
from web.ports import Ports


@pytest.fixture
def ports(tmp_path: Path) -> Ports:
    return web_services.ports(tmp_path)


@pytest.fixture
def home(ports: Ports) -> Iterator[Path]:
    with serving(ports) as url:
        (ports.home / "run").mkdir(exist_ok=True)
        (ports.home / "run" / "ports.json").write_text(json.dumps({"app": urlsplit(url).port}))
        yield ports.home


def firebreak(home: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["--home", str(home), *words])


def waiting(home: Path) -> str:
    """The incident that waits for an approval in the story."""
    headers = {"Authorization": f"Bearer {web_services.OPERATOR}"}
    port = json.loads((home / "run" / "ports.json").read_text())["app"]
    found = httpx.get(f"http://127.0.0.1:{port}/api/approvals", params={"open": True}, headers=headers).json()
    return str(found["approvals"][0]["change"])


def test_the_card_says_what_a_yes_means(home: Path) -> None:
    """Call, dry run, undo, what it pre-authorises, and the digest that the answer is bound to."""
    shown = firebreak(home, "incident", "approvals", waiting(home))
    assert shown.exit_code == 0, shown.output
    for word in ("dry run", "blast radius", "undo", "pre-authorised", "digest", "of 1 people"):
        assert word in shown.output
    as_json = json.loads(firebreak(home, "incident", "approvals", waiting(home), "--json").output)
    assert as_json["approvals"][0]["status"] == "open"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["approve"], "approved"),
        (["reject", "--reason", "not now"], "rejected"),
        (["escalate", "--reason", "ask the database team"], "escalated"),
        (["terminate", "--reason", "wrong plan"], "terminated"),
        (["modify", "--args", '{"size": 10}', "--reason", "smaller"], "modified"),
    ],
)
def test_every_answer_has_its_command(home: Path, words: list[str], said: str) -> None:
    """The person's own token goes along; the second answer finds nothing to answer."""
    verb, *more = words
    incident = waiting(home)
    answered = firebreak(home, "incident", verb, incident, *more)
    assert (answered.exit_code, said in answered.output) == (0, True), answered.output
    again = firebreak(home, "incident", verb, incident, *more)
    assert (again.exit_code, "waits for no approval" in again.output) == (3, True)


def test_who_comes_second_is_told_who_won(home: Path, ports: Ports) -> None:
    """Both saw it open; the loser's error names the winner."""
    with pytest.MonkeyPatch.context() as patched:
        stale = json.loads(firebreak(home, "incident", "approvals", waiting(home), "--json").output)
        incident = waiting(home)
        assert firebreak(home, "incident", "approve", incident).exit_code == 0
        from domain.guard import Approval

        patched.setattr("cli.answering._open", lambda *_: [Approval.model_validate(a) for a in stale["approvals"]])
        lost = firebreak(home, "incident", "reject", incident, "--reason", "no")
    assert isinstance(lost.exception, ConflictError)
    assert "by operator" in lost.exception.found


def test_arguments_must_be_json(home: Path) -> None:
    """Said before anything is sent."""
    refused = firebreak(home, "incident", "modify", waiting(home), "--args", "size=10")
    assert isinstance(refused.exception, ConfigError)


def test_taken_over_from_the_terminal(home: Path) -> None:
    """Take and give back are one command each."""
    taken = firebreak(home, "incident", "take", web_story.ID, "--reason", "mine")
    assert "taken" in taken.output, taken.output
    assert firebreak(home, "incident", "give-back", web_story.ID).exit_code == 0


def test_people_are_managed_through_the_action_server(tmp_path: Path) -> None:
    """Added, listed, rotated, removed; the token is shown once and never listed."""
    scene = Scene()
    people = People(tmp_path / FILE, scene.clock)
    scene.guard.parts.identities._people = people
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "operator.token").write_text(TOKENS["operator"][0])
    assert isinstance(firebreak(tmp_path, "people", "list").exception, UpstreamError)
    (tmp_path / "run").mkdir()
    with on_loopback(build_action_server(scene.guard, SignIn(people=people))) as url:
        (tmp_path / "run" / "ports.json").write_text(json.dumps({"action-server": urlsplit(url).port}))
        assert "Nobody has a token" in firebreak(tmp_path, "people", "list").output
        added = firebreak(tmp_path, "people", "add", "ada", "--role", "approver")
        token = added.output.strip().splitlines()[-1]
        assert len(token) > 40
        listed = firebreak(tmp_path, "people", "list")
        assert ("ada  approver  token" in listed.output, token in listed.output) == (True, False)
        rotated = json.loads(firebreak(tmp_path, "people", "rotate", "ada", "--json").output)
        assert rotated["token"] != token
        assert json.loads(firebreak(tmp_path, "people", "list", "--json").output)["people"][0]["name"] == "ada"
        assert "no way in" in firebreak(tmp_path, "people", "remove", "ada").output
        firebreak(tmp_path, "people", "add", "bo", "--role", "viewer", "--json")
        assert json.loads(firebreak(tmp_path, "people", "remove", "bo", "--json").output)["removed"] == "bo"
