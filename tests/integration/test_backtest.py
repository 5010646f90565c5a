"""Past alerts of a real Prometheus replayed through the command, labelled, and read by the evaluation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.session import SESSION
from domain.bundle import LogLine
from tests.fakes.observability import loki
from tests.fakes.past_prometheus import END, FAULT, FIRED, START, past_prometheus
from tools.bundle import read_bundle

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]
RUN = CliRunner()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with past_prometheus(tmp_path_factory.mktemp("past")) as address:
        yield address


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FIREBREAK_HOME", str(tmp_path / "home"))
    SESSION.as_json = False
    return tmp_path / "home"


def ran(*words: str) -> dict[str, Any]:
    result = RUN.invoke(app, [*words, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_past_alert_is_replayed_labelled_and_counted(url: str, home: Path) -> None:
    """What would have been said is there with evidence; the label survives a second run and is what eval reads."""
    asked = ("backtest", "--from", str(START), "--to", str(END), "--prometheus", url, "--step", "15")
    (row,) = (document := ran(*asked))["backtests"]
    assert document["schema_version"] == "1"
    assert (row["alert"], row["service"], row["truth"]) == ("WebErrors", "web", None)
    assert row["started_at"] == "2026-03-01T10:42:00+00:00"
    assert FIRED == START + 42 * 60
    assert row["verdict"] in {"fault", "external", "inconclusive"}
    assert row["evidence"] or row["verdict"] != "fault"
    assert any("probes cannot look at the past" in spot for spot in row["blind_spots"])
    assert document["accuracy"]["labelled"] == 0
    labelled = ran("backtest", "label", row["id"], "--truth", "db/pool_exhausted")
    assert labelled["accuracy"]["first"]["of"] == 1
    again = ran(*asked)
    assert again["backtests"][0]["truth"] == "db/pool_exhausted"
    assert ran("backtest", "list")["accuracy"]["labelled"] == 1
    measured = RUN.invoke(app, ["eval", "diagnosis", str(home / "backtest"), "--json"], catch_exceptions=False)
    assert json.loads(measured.stdout)["methods"]["firebreak"]["cases"] == 1


def test_logs_are_read_beside_the_metrics(url: str, home: Path) -> None:
    """From a Loki, for the time around the alert; the kept bundle says who was asked."""
    said = [
        LogLine(time=START + i, service="db", message="INFO checkpoint done", level="INFO") for i in range(0, 3600, 60)
    ]
    with loki([*said, LogLine(time=FAULT + 5, service="db", message="ERROR remaining slots reserved")]) as logs:
        asked = ("--from", str(START), "--to", str(END), "--prometheus", url, "--loki", logs)
        (row,) = ran("backtest", *asked)["backtests"]
    bundle = read_bundle(home / "backtest" / row["id"])
    assert "ERROR remaining slots reserved" in [line.message for line in bundle.logs]
    assert all(FIRED - 1800 <= line.time <= FIRED + 120 for line in bundle.logs)
    assert {(o.source, o.kind, bool(o.rows)) for o in bundle.origins} >= {
        ("prometheus", "metrics", True),
        ("loki", "logs", True),
    }


def test_a_quiet_time_says_where_to_look(url: str) -> None:
    """Scraped and nothing fired; or nothing was scraped at all."""
    quiet = RUN.invoke(app, ["backtest", "--from", str(START), "--to", str(START + 600), "--prometheus", url])
    assert (quiet.exit_code, "No alert fired" in quiet.stdout) == (0, True)
    empty = RUN.invoke(app, ["backtest", "--from", "2020-01-01", "--to", "2020-01-02", "--prometheus", url])
    assert "scraped nothing" in str(empty.exception)
