"""`firebreak contract enforce|rollouts|stop` as a person sees them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cli import contract_live
from cli.main import app
from domain.errors import ConfigError

runner = CliRunner()
EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "deployment-context.json"
STAGE = {
    "percent": 10.0,
    "seconds": 60.0,
    "sees": ["all requests: slower by 9.1%"],
    "result": "failed",
    "approval": "apr-1",
}
ROLLOUT: dict[str, Any] = {
    "id": "dep-1",
    "service": "api",
    "former": "v1",
    "version": "v2",
    "status": "rolled_back",
    "stage": 0,
    "stages": [STAGE, {"percent": 100.0, "seconds": 30.0, "sees": [], "result": "", "approval": ""}],
    "judgements": [{"stage": 0, "at": 30.0, "over": False, "result": "failed", "reasons": ["errors: +8.0%"]}],
    "explanation": ["v2 of api broke a term at 10 %"],
    "notes": ["the wall clock was set by +3600 s"],
    "exposed": 41,
    "budget_lost": 0.002,
    "started_at": "2026-01-01T00:00:00Z",
    "ended_at": "2026-01-01T00:01:00Z",
}


class Client:
    """An app that has one rollout."""

    def __init__(self, *found: dict[str, Any]) -> None:
        self.found, self.posted = list(found), dict[str, Any]()
        self.looks: list[dict[str, Any]] = []

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.posted[path] = body
        return {**ROLLOUT, "status": "running", "judgements": []}

    def get(self, path: str, **_: Any) -> dict[str, Any]:
        if path.startswith("/api/contracts/"):
            answer = runner.invoke(app, ["contract", "draft", str(EXAMPLE), "--json"])
            return {**json.loads(answer.stdout), "quorum": 2, "missing": []}
        if path == "/api/rollouts":
            return {"rollouts": self.found}
        return self.looks.pop(0) if self.looks else ROLLOUT


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    found = Client(ROLLOUT)
    monkeypatch.setattr(contract_live, "connect", lambda home: found)
    monkeypatch.setattr(contract_live, "POLL_S", 0.0)
    return found


def drafted(folder: Path) -> Path:
    answer = runner.invoke(app, ["contract", "draft", str(EXAMPLE), "--json"])
    file = folder / "contract.json"
    file.write_text(answer.stdout)
    return file


def test_whoever_follows_a_rollout_is_told_once_where_a_person_answers(client: Client, tmp_path: Path) -> None:
    waits = {**ROLLOUT, "status": "waiting", "ended_at": None}
    client.looks = [waits, waits]
    answer = runner.invoke(app, ["contract", "enforce", str(drafted(tmp_path)), "--version", "v2", "--json"])
    assert answer.stderr.count("firebreak incident approvals dep-1") == 1


def test_a_rollout_is_followed_to_its_end(client: Client, tmp_path: Path) -> None:
    """What each stage sees, each look, how it ended and what it cost; exit code 3 when it was taken back."""
    answer = runner.invoke(app, ["contract", "enforce", str(drafted(tmp_path)), "--version", "v2"])
    assert answer.exit_code == 3
    for words in ("sees all requests: slower by 9.1%", "failed: errors: +8.0%", "broke a term", "41 requests", "note:"):
        assert words in answer.output
    assert client.posted["/api/rollouts"]["version"] == "v2"


def test_an_exemption_is_passed_on_and_a_detached_one_is_only_begun(client: Client, tmp_path: Path) -> None:
    """With its reason."""
    words = [
        "contract",
        "enforce",
        str(drafted(tmp_path)),
        "--exempt",
        "security",
        "--reason",
        "closes the hole",
        "--detach",
    ]
    answer = runner.invoke(app, words)
    assert (answer.exit_code, "dep-1 began" in answer.output) == (0, True)
    posted = client.posted["/api/rollouts"]
    assert (posted["exemption"], posted["reason"]) == ("security", "closes the hole")


def test_a_contract_on_the_table_goes_out_by_its_id(client: Client) -> None:
    """As it stands there; how the bargaining went is no term."""
    answer = runner.invoke(app, ["contract", "enforce", "con-1", "--detach"])
    assert answer.exit_code == 0, answer.output
    assert client.posted["/api/rollouts"]["contract"]["status"] == "draft"


def test_rollouts_are_listed_shown_and_stopped(client: Client) -> None:
    """An empty list says how to begin one."""
    assert "dep-1" in runner.invoke(app, ["contract", "rollouts"]).output
    assert (
        "stage 2: 100 % for 30 s, limits and budget only"
        in runner.invoke(app, ["contract", "rollouts", "dep-1"]).output
    )
    assert json.loads(runner.invoke(app, ["contract", "rollouts", "dep-1", "--json"]).stdout)["id"] == "dep-1"
    assert "broke a term" in runner.invoke(app, ["contract", "stop", "dep-1", "--reason", "enough"]).output
    assert client.posted["/api/rollouts/dep-1/stop"] == {"reason": "enough"}
    client.found = []
    assert "firebreak contract enforce" in runner.invoke(app, ["contract", "rollouts"]).output


def test_terms_that_were_edited_are_refused(tmp_path: Path) -> None:
    """The digest names what was drafted; what is no contract at all is said to be none."""
    file = drafted(tmp_path)
    document = json.loads(file.read_text())
    document["guardrails"][0]["limit"] = 50.0
    file.write_text(json.dumps(document))
    with pytest.raises(ConfigError, match="not those that were drafted"):
        contract_live.read_contract(file)
    for text in ("[]", "{", '{"id": 3}'):
        file.write_text(text)
        with pytest.raises(ConfigError, match="no contract"):
            contract_live.read_contract(file)


@pytest.mark.parametrize(("status", "code"), [("violated", 4), ("rolled_back", 3)])
def test_the_exit_code_says_how_it_ended(status: str, code: int) -> None:
    """0 only when every term was kept."""
    contract_live.leave({"status": "fulfilled"})
    with pytest.raises(typer.Exit) as left:
        contract_live.leave({"status": status})
    assert left.value.exit_code == code
