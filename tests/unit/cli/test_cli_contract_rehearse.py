"""`firebreak contract rehearse` as a person sees it: legs as they end, why it is no proof, the exit code."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import contract_rehearse
from cli.main import app
from cli.output import Exit

runner = CliRunner()
ROWS: list[dict[str, Any]] = [
    {"leg": "before", "works": True, "outcome": None, "seconds": 8.0, "said": "3 outside checks", "approval": ""},
    {"leg": "release", "works": None, "outcome": "failed", "seconds": 2.0, "said": "no room", "approval": "apr-1"},
]
ENDED: dict[str, Any] = {
    "id": "trial-1",
    "former": "v1",
    "version": "v2",
    "service": "api",
    "status": "failed",
    "seconds": 3.2,
    "rows": ROWS,
    "differences": ["column t.a was dropped and made again: what was in it is gone"],
    "problems": ["release failed: no room"],
    "ended_at": "2026-01-01T00:00:00Z",
}


class Client:
    """An app in which a rehearsal waits once, and then ends."""

    def __init__(self, ended: dict[str, Any]) -> None:
        self.looks = [{**ended, "status": "waiting", "ended_at": None}, ended]
        self.posted: dict[str, Any] = {}

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.posted[path] = body
        return self.looks[0]

    def get(self, path: str, **_: Any) -> dict[str, Any]:
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]


@pytest.mark.parametrize(("changes", "code"), [({}, Exit.FINDING), ({"status": "passed", "problems": []}, Exit.OK)])
def test_a_rehearsal_is_followed_to_its_end(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], code: Exit
) -> None:
    client = Client({**ENDED, **changes})
    monkeypatch.setattr(contract_rehearse, "connect", lambda home: client)
    monkeypatch.setattr(contract_rehearse, "POLL_S", 0.0)
    words = ["contract", "rehearse", "con-1", "--on", "api-staging", "--revision", "0042", "--watch", "2"]
    said = runner.invoke(app, words)
    assert said.exit_code == int(code), said.output
    wish = {"on": "api-staging", "version": "", "revision": "0042", "watch_s": 2.0}
    assert client.posted == {"/api/contracts/con-1/rehearsals": wish}
    for words_ in (
        "back in 3.2 s",
        "what was in it is gone",
        "waiting for a person: firebreak incident approvals trial-1",
        "works: 3 outside checks",
    ):
        assert words_ in said.output
    client.looks = [{**ENDED, **changes}]
    document = json.loads(runner.invoke(app, [*words, "--json"]).stdout)
    assert document["id"] == "trial-1"
    assert document["schema_version"]
