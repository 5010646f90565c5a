"""A Prometheus beside the embedded store: its series are read, its silence is a blind spot."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from domain.bundle import Bundle, LogLine, Span
from domain.inventory import Connector, Inventory, Service
from graph.bootstrap import build_house
from graph.house import House
from graph.nodes.perceive import look_at
from graph.settings import Settings
from graph.sources import connectors
from tests.fakes.observability import loki, tempo
from tests.fakes.prometheus_server import Shop, prometheus, shop_server

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

SERVICES = [Service(name="api", kind="api")]


@asynccontextmanager
async def house(
    home: Path, url: str, inventory: Inventory | None = None, env: Mapping[str, str] | None = None
) -> AsyncIterator[House]:
    """The app's services without the action server: they only look."""
    (home / "secrets").mkdir(parents=True)
    (home / "secrets" / "agent.token").write_text("token")
    settings = Settings(home=home, prometheus_url=url)
    built = build_house(
        settings,
        inventory or Inventory(system="shop", services=SERVICES),
        {"FIREBREAK_ACTION_URL": "http://127.0.0.1:9", **(env or {})},
        root=home,
    )
    try:
        yield built
    finally:
        await built.close()


async def looked(built: House) -> Bundle:
    return await built.services.gather("inc-1", [], (), 0)


class Timed(Shop):
    """Forty requests a second: a quarter fails; nine in ten are answered within 0.1 s, the others within 0.3 s."""

    @property
    def page(self) -> str:
        count = int((time.time() - self.began) * 40) * 20
        rows = ((0.1, count * 9 // 10), (0.3, count), ("+Inf", count))
        name = "http_request_duration_seconds"
        return (
            "# TYPE http_requests_total counter\n"
            f'http_requests_total{{route="/buy",status="200"}} {count * 3 // 4}\n'
            f'http_requests_total{{route="/buy",status="500"}} {count // 4}\n'
            f"# TYPE {name} histogram\n"
            + "".join(f'{name}_bucket{{route="/buy",le="{le}"}} {n}\n' for le, n in rows)
            + f'{name}_count{{route="/buy"}} {count}\n{name}_sum{{route="/buy"}} {count / 20}\n'
        )


async def drafted(url: str) -> dict[str, Any]:
    """What `contract draft --baseline` says of the api; asked again until the scrapes suffice."""
    context = '{"deployment_id": "d", "service_name": "api", "changes": [{"file_path": "a.py"}]}'
    words = ["contract", "draft", "-", "--baseline", url, "--baseline-window", "60", "--json"]
    for _ in range(60):
        done = await asyncio.to_thread(CliRunner().invoke, app, words, context)
        if done.exit_code == 0:
            found: dict[str, Any] = json.loads(done.stdout)
            return found
        await asyncio.sleep(0.3)
    raise AssertionError(f"no baseline: {done.exception!r}")


async def test_series_come_from_prometheus_and_its_end_is_a_blind_spot(tmp_path: Path) -> None:
    """While it answers, its rates are in the bundle, and a draft's baseline is measured; when it is gone, that is said."""
    shop = Timed()
    with shop_server(shop) as target:
        with prometheus(shop, target, tmp_path) as url:
            if shutil.which("prometheus"):
                today = (await drafted(url))["baseline"]
                assert (round(today["error_percent"]), today["routes"][0]["route"]) == (25, "/buy")
                assert today["p50_ms"] < 100 < today["p95_ms"] < 300
                assert today["requests"] > 100
                assert url in today["source"]
            async with house(tmp_path / "one", url) as built:
                bundle = await looked(built)
                assert "request_rate" in {s.metric for s in bundle.series if s.service == "api"}
                assert [r for r in bundle.readings if r.data_gap] == []
        async with house(tmp_path / "two", url) as built:
            bundle = await looked(built)
            diagnosis = await look_at(built.services, bundle, None)
            (spot,) = [s for s in diagnosis.blind_spots if s.startswith("prometheus of shop")]
            assert "does not answer" in spot
            assert "PROMETHEUS_URL" in spot


async def test_without_a_prometheus_only_the_store_is_read(tmp_path: Path) -> None:
    """Nothing configured: no wrapper, no gap."""
    async with house(tmp_path, "") as built:
        bundle = await looked(built)
        assert (bundle.series, bundle.readings) == ((), ())


async def test_logs_and_spans_come_from_connectors_and_their_end_is_a_blind_spot(tmp_path: Path) -> None:
    """Loki and Tempo beside the store: merged with their names; gone, each is said by name and the incident goes on."""
    now = time.time()
    lines = [LogLine(time=now - 5, service="api", message="ERROR no space left", level="ERROR")]
    spans = [
        Span(trace_id="1" * 32, span_id="2" * 16, service="api", operation="GET /", start=now - 5, duration_ms=9.0)
    ]
    with loki(lines, token="t0ken") as logs, tempo(spans) as traces:
        named = [
            Connector(kind="loki", url=logs, token_env="LOKI_TOKEN"),
            Connector(kind="tempo", url=traces),
        ]
        shop = Inventory(system="shop", services=[*SERVICES, Service(name="db", kind="database")], connectors=named)
        env = {"LOKI_TOKEN": "t0ken"}
        async with house(tmp_path / "one", "", shop, env) as built:
            bundle = await looked(built)
            diagnosis = await look_at(built.services, bundle, None)
    assert [(one.message, one.attributes["from"]) for one in bundle.logs] == [("ERROR no space left", "loki")]
    assert [(one.operation, one.attributes["from"]) for one in bundle.spans] == [("GET /", "tempo")]
    assert [r for r in bundle.readings if r.data_gap] == []
    assert {(o.source, o.kind, o.rows) for o in bundle.origins} >= {("loki", "logs", 1), ("tempo", "spans", 1)}
    assert diagnosis.unseen == ["no logs of db", "no spans of db"]
    async with house(tmp_path / "two", "", shop, env) as built:
        diagnosis = await look_at(built.services, await looked(built), None)
    spots = [s for s in diagnosis.blind_spots if "does not answer" in s]
    assert sorted(s.partition(" of ")[0] for s in spots) == ["loki", "tempo"]


def test_every_server_once(tmp_path: Path) -> None:
    """The connector of the same address keeps its token; other addresses are added."""
    mine = Connector(kind="prometheus", url="http://p:9090", token_env="TOKEN")
    inventory = Inventory(services=SERVICES, connectors=[mine])
    assert [n.connector for n in connectors(Settings(prometheus_url=""), inventory)] == [mine]
    assert [n.connector for n in connectors(Settings(prometheus_url="http://p:9090/"), inventory)] == [mine]
    more = connectors(Settings(prometheus_url="http://q:9090", loki_url="http://l:3100"), inventory)
    assert [n.connector.url for n in more] == ["http://p:9090", "http://q:9090", "http://l:3100"]
    assert [n.name for n in more] == ["prometheus", "prometheus_2", "loki"]
