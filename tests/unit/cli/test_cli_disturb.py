"""`firebreak drill disturb`: what is asked of the chaos server, and how what governance made of it is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import pytest
from typer.testing import CliRunner

from cli import disturb, installation
from cli.main import app
from domain.action import Tier
from domain.agents import AgentDetail, ChargeRow
from domain.errors import UpstreamError


class Api:
    """Both servers: remembers what was posted, and answers with one agent."""

    posted: list[tuple[str, Any]]
    rows: list[ChargeRow]

    def __init__(self, *_: Any) -> None:
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def post(self, path: str, body: Any) -> dict[str, Any]:
        self.posted.append((path, body))
        return {}

    def get(self, path: str) -> dict[str, Any]:
        assert path == "/api/agents/responder"
        row = AgentDetail(agent="responder", tier=Tier.T1, name="Operator", status="active", violations=self.rows)
        return row.model_dump(mode="json")


def charge(*, charged: bool, change: str = "inc-1", ago_s: float = -60) -> ChargeRow:
    return ChargeRow(
        id="vio-1",
        violation="LOCK_EXPIRED",
        gravity="high",
        what="no lock",
        cause="agent" if charged else "injected",
        evidence="L7",
        charged=charged,
        consequence="revoked" if charged else "recovering",
        change=change,
        at=datetime.now(UTC) - timedelta(seconds=ago_s),
        entry=8,
    )


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> type[Api]:
    Api.posted, Api.rows = [], []
    monkeypatch.setattr(disturb, "AppClient", Api)
    monkeypatch.setattr(disturb, "connect", Api)
    monkeypatch.setattr(disturb, "AFTER_S", 0.0)
    monkeypatch.setattr(installation, "status", lambda _: [{"name": "chaos", "url": "http://chaos"}])
    monkeypatch.setattr("cli.home.Home.token", lambda *_: "a-token")
    return Api


def run(*words: str) -> Any:
    return CliRunner().invoke(app, ["drill", "disturb", "lock_lost", "inc-1", "--seconds", "0.1", *words])


def test_a_compliant_agent_paid_nothing(api: type[Api]) -> None:
    """Suspicions of this incident since it began are shown with their cause; older ones and other incidents are not."""
    api.rows = [charge(charged=False), charge(charged=True, change="inc-2"), charge(charged=True, ago_s=60)]
    done = run()
    assert done.exit_code == 0, done.output
    assert "injected: L7" in done.output
    assert "1 suspicions, 0 charged" in done.output
    assert api.posted == [("/conditions/lock_lost", {"agent": "responder", "task": "inc-1", "duration_s": 0.1})]


def test_a_wrong_charge_is_a_finding(api: type[Api]) -> None:
    """Exit code 3, also as JSON."""
    api.rows = [charge(charged=True)]
    done = run("--json")
    assert (done.exit_code, json.loads(done.stdout)["violations"][0]["charged"]) == (3, True)


def test_without_a_chaos_server_it_says_so(api: type[Api], monkeypatch: pytest.MonkeyPatch) -> None:
    """With what starts one."""
    monkeypatch.setattr(installation, "status", lambda _: [])
    done = run()
    assert isinstance(done.exception, UpstreamError)
    assert "firebreak up" in done.exception.hint
