"""`firebreak tiers` and `firebreak findings` against the real app over the fake world, on a real loopback socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner, Result

from cli import main as cli_main
from tests.fakes import web_services as fakes
from tests.fakes.executor import mixed_inventory
from tests.fakes.guard import Scene
from tests.fakes.web_agents import SceneAgents
from tests.fakes.web_server import serving

RUN = CliRunner()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home whose app is up."""
    folder = tmp_path_factory.mktemp("home")
    yield from _up(folder, fakes.ports(folder))


def _up(folder: Path, ports: Any) -> Iterator[Path]:
    with serving(ports) as url:
        (folder / "run").mkdir()
        (folder / "run" / "ports.json").write_text(json.dumps({"app": urlsplit(url).port}))
        yield folder


def firebreak(home: Path, *words: str) -> Result:
    return RUN.invoke(cli_main.app, ["--home", str(home), *words])


def document(home: Path, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(firebreak(home, *words, "--json").stdout)
    assert found["schema_version"] == "1"
    return found


def test_who_sits_where(home: Path) -> None:
    """All of them, one in full, and both for machines."""
    assert "T1 Operator" in firebreak(home, "tiers", "show").stdout
    text = firebreak(home, "tiers", "show", "responder").stdout
    for words in ("to T2:", "[ ] verified runs", "record:", "SCOPE_VIOLATION warned", "LOCK_EXPIRED recovering"):
        assert words in text, text
    assert [a["agent"] for a in document(home, "tiers", "show")["agents"]] == ["chaos", "responder"]
    assert document(home, "tiers", "show", "responder")["next_tier"] == "T2"


def test_what_people_decide(home: Path) -> None:
    """Up, down, revoked, given back, reviewed, overturned; each said in words and told in the history."""
    assert "sits at T2" in firebreak(
        home, "tiers", "promote", "responder", "--to", "T2", "--waive", "--reason", "trial"
    ).stdout  # fmt: skip
    assert document(home, "tiers", "demote", "responder", "--to", "T0")["tier"] == "T0"
    revoked = firebreak(home, "tiers", "revoke", "responder", "--reason", "looks odd").stdout
    assert "is revoked; quiet after" in revoked
    assert "was revoked by operator" in firebreak(home, "tiers", "show", "responder").stdout
    assert "may act again" in firebreak(home, "tiers", "reinstate", "responder", "--reason", "fine").stdout
    assert document(home, "tiers", "revoke", "responder")["agent"] == "responder"
    assert document(home, "tiers", "reinstate", "responder")["moved"]
    assert "plan plan-7 was right" in firebreak(home, "tiers", "review", "responder", "plan-7", "--right").stdout
    assert document(home, "tiers", "review", "responder", "plan-8", "--wrong")["kind"] == "review"
    charges = document(home, "tiers", "show", "responder")["violations"]
    charge = next(c["id"] for c in charges if c["charged"])
    assert "is overturned" in firebreak(home, "tiers", "overturn", charge, "--reason", "the network").stdout
    history = firebreak(home, "tiers", "history", "responder").stdout
    for kind in ("grant", "demotion", "revocation", "reinstatement", "review", "overturned"):
        assert kind in history
    assert document(home, "tiers", "history", "responder")["turns"][0]["kind"] == "overturned"


def test_findings_from_open_to_closed(home: Path) -> None:
    """Listed, shown with the council's votes, accepted, closed with evidence."""
    rows = document(home, "findings", "list", "--all")["findings"]
    finding = next(row["id"] for row in rows if row["kind"] == "agent_disturbed")
    assert finding in firebreak(home, "findings", "list").stdout
    shown = firebreak(home, "findings", "show", finding).stdout
    assert "council: recommends it" in shown
    assert "quality: no, it was seen only once" in shown
    assert "is accepted" in firebreak(home, "findings", "accept", finding).stdout
    assert document(home, "findings", "close", finding, "--evidence", "a week")["state"] == "fixed"
    assert "closed by operator: a week" in firebreak(home, "findings", "show", finding).stdout
    assert finding not in firebreak(home, "findings", "list").stdout
    missing = firebreak(home, "findings", "show", "fnd-nothing")
    assert missing.exception is not None


def test_a_home_without_agents_and_findings_says_what_to_do(tmp_path: Path) -> None:
    """Nothing is an answer too."""
    ports = fakes.ports(tmp_path, agents=SceneAgents(fakes.OPERATOR, Scene(inventory=mixed_inventory())))
    for folder in _up(tmp_path, ports):
        assert "An admin grants one" in firebreak(folder, "tiers", "show").stdout
        assert "Nothing odd" in firebreak(folder, "findings", "list").stdout
