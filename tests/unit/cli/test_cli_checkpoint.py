"""`firebreak checkpoint …` on a home whose runs are in SQLite."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from domain.conditions import Condition
from domain.errors import ConfigError, NotFoundError, UpstreamError
from graph.checkpoint.sqlite import open_sqlite_saver
from tests.fakes.house import House
from tests.fakes.world import World

RUN = CliRunner()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One mended incident."""
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    async def mended() -> None:
        async with open_sqlite_saver(tmp_path / "checkpoints.db") as saver:
            world = World(wrong={(Condition.PROCESS_PAUSED, "api"): {}}, mends={"resume_process api"})
            await House(world, saver=saver).run()

    asyncio.run(mended())
    return tmp_path


def told(home: Path, *words: str) -> str:
    done = RUN.invoke(app, ["--home", str(home), "checkpoint", *words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.stdout


def document(home: Path, *words: str) -> Any:
    return json.loads(told(home, *words, "--json"))


def test_checkpoints_are_listed_shown_compared_and_summed_up(home: Path) -> None:
    """For people and as one JSON document each."""
    (thread,) = document(home, "list")["checkpoints"]
    assert (thread["thread"], thread["phase"], thread["status"]) == ("inc-1", "EXIT", "resolved")
    rows = document(home, "list", "inc-1", "--limit", "500")["checkpoints"]
    assert rows[0]["id"] == thread["id"]
    assert "inc-1" in told(home, "list")
    shown = document(home, "show", "inc-1")
    assert [t["state"] for t in shown["tasks"]] == ["succeeded"]
    assert shown["id"] in told(home, "show", "inc-1", "--checkpoint", shown["id"])
    changes = {c["field"]: c["after"] for c in document(home, "diff", "inc-1", rows[-1]["id"])["changes"]}
    assert changes["phase"] == "EXIT"
    assert "phase: (nothing) → EXIT" in told(home, "diff", "inc-1", rows[-1]["id"])
    assert "Nothing that is shown differs." in told(home, "diff", "inc-1", shown["id"], shown["id"])
    assert len(document(home, "summary", "inc-1", "--budget", "500")["summary"].encode()) <= 500
    assert told(home, "summary", "inc-1").startswith("inc-1: resolved")


def test_what_is_not_there_is_said(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A thread nobody knows, a budget that does not exist, a home without a run."""
    with pytest.raises(NotFoundError):
        told(home, "show", "inc-9")
    with pytest.raises(ConfigError):
        told(home, "summary", "inc-1", "--budget", "7")
    with pytest.raises(UpstreamError):
        told(tmp_path_factory.mktemp("empty"), "list")
