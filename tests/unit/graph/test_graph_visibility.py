"""What can be seen: every connector tried, refusals and unset variables in words, blind spots by service."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.session import SESSION
from cli.sources import blind_spots, source_finding
from domain.bundle import LogLine, Span
from domain.inventory import Inventory
from graph.settings import Settings
from graph.visibility import Visibility, look
from tests.fakes.observability import jaeger, loki, tempo
from tools.telemetry.embedded import SqliteTelemetry
from tools.telemetry.sqlite import TelemetryWriter

NOW = 1_772_359_200.0


def inventory(*connectors: dict[str, object]) -> Inventory:
    services: list[dict[str, object]] = [{"name": n, "kind": "api"} for n in ("api", "cache", "ghost")]
    services[0]["telemetry"] = services[1]["telemetry"] = {"scrape": "http://h/metrics"}
    return Inventory.model_validate({"services": services, "connectors": list(connectors)})


async def seen(place: Path, known: Inventory, env: dict[str, str] | None = None) -> Visibility:
    writer = TelemetryWriter(place / "telemetry.db")
    writer.points(NOW - 1, "api", {"request_rate": 1.0})
    writer.points(NOW - 1, "cache", {"scrape_up": 1.0})
    writer.commit(NOW - 1)
    writer.close()
    store = SqliteTelemetry(place / "telemetry.db")
    return await look(store, Settings(), known, env or {}, root=place, now=NOW)


async def test_each_source_adds_what_it_shows(tmp_path: Path) -> None:
    """Metrics from the store, logs from Loki, spans from Tempo; what nobody shows is named."""
    lines = [LogLine(time=NOW - 5, service="api", message="m")]
    spans = [Span(trace_id="1" * 32, span_id="1" * 16, service="api", operation="o", start=NOW - 9, duration_ms=1.0)]
    with loki(lines, token="t0ken") as logs, tempo(spans) as traces:
        known = inventory({"kind": "loki", "url": logs, "token_env": "LOKI_TOKEN"}, {"kind": "tempo", "url": traces})
        found = await seen(tmp_path, known, {"LOKI_TOKEN": "t0ken"})
    assert [one.name for one in found.looks] == ["collector", "loki", "tempo"]
    assert [one.problem for one in found.looks] == ["", "", ""]
    assert found.unseen == {"metrics": ("ghost",), "logs": ("cache", "ghost"), "spans": ("cache", "ghost")}
    assert found.invisible == ("ghost",)
    (store, logs_row, _) = (source_finding(one) for one in found.looks)
    assert store.found == "metrics of 2, logs of 0, spans of 0 of 3 services in the last ten minutes, newest 1 s old"
    assert logs_row.found == "Loki, lines of 1 of 3 services in the last hour, newest 5 s old"
    assert store.details == ("api: traffic", "cache: no role recognised")
    assert blind_spots(found).details == ("no metrics of ghost", "no logs of cache, ghost", "no spans of cache, ghost")
    assert blind_spots(found).found == "nothing at all is seen of ghost"


async def test_what_does_not_work_says_what_to_do(tmp_path: Path) -> None:
    """A wrong token, a variable that is not set, nobody listening, nothing recent."""
    old = [Span(trace_id="1" * 32, span_id="1" * 16, service="api", operation="o", start=NOW - 900, duration_ms=1.0)]
    with loki([], token="right") as logs, jaeger(old) as traces:
        known = inventory(
            {"kind": "loki", "url": logs},
            {"kind": "loki", "url": logs + "/", "token_env": "NOT_SET"},
            {"kind": "loki", "url": "http://127.0.0.1:1", "token_env": "NOT_SET"},
            {"kind": "tempo", "url": "http://127.0.0.1:1"},
            {"kind": "jaeger", "url": traces},
        )
        found = await seen(tmp_path, known)
    rows = {one.name: source_finding(one) for one in found.looks}
    assert "NOT_SET is not set" in rows["loki"].found
    assert "NOT_SET is not set" in rows["loki_2"].found
    assert "Tempo does not answer" in rows["tempo"].found
    assert rows["jaeger"].state == "degraded"
    assert "newest 900 s old" in rows["jaeger"].found
    with loki([], token="right") as logs:
        refused = await seen(tmp_path, inventory({"kind": "loki", "url": logs}))
    assert "Loki refuses our token" in source_finding(refused.looks[1]).found
    assert "/loki/api/v1/query_range" in source_finding(refused.looks[1]).hint


def test_doctor_tries_the_sources_of_the_inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command reads the inventory that FIREBREAK_CONFIG names, and says what cannot be seen."""
    monkeypatch.setitem(os.environ, "FIREBREAK_HOME", str(tmp_path))
    config = tmp_path / "firebreak.yaml"
    config.write_text("services: [{name: api, kind: api}]\nconnectors: [{kind: tempo, url: 'http://127.0.0.1:1'}]\n")
    monkeypatch.setenv("FIREBREAK_CONFIG", str(config))
    SESSION.as_json = False
    result = CliRunner().invoke(app, ["doctor"])
    assert "Tempo does not answer" in result.stdout
    assert "nothing at all is seen of api" in result.stdout


@pytest.mark.parametrize(
    ("connector", "words"),
    [
        ({"kind": "loki", "url": "http://u:p@h"}, "basic_env"),
        ({"kind": "loki"}, "needs a url"),
        ({"kind": "tempo", "url": "ftp://h"}, "http://"),
        ({"kind": "loki", "url": "http://h", "token_env": "glc_eyJvIjoi"}, "token_env"),
    ],
)
def test_a_connector_holds_no_secret_and_has_an_address(connector: dict[str, object], words: str) -> None:
    """Refused when the inventory is read, in words."""
    with pytest.raises(ValueError, match=words):
        inventory(connector)
