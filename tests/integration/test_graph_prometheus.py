"""A Prometheus beside the embedded store: its series are read, its silence is a blind spot."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from domain.bundle import Bundle
from domain.inventory import Connector, Inventory, Service
from graph.bootstrap import House, build_house
from graph.nodes.perceive import look_at
from graph.settings import Settings
from graph.sources import connectors
from tests.fakes.prometheus_server import Shop, prometheus, shop_server

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

SERVICES = [Service(name="api", kind="api")]


@asynccontextmanager
async def house(home: Path, url: str, inventory: Inventory | None = None) -> AsyncIterator[House]:
    """The app's services without the action server: they only look."""
    (home / "secrets").mkdir(parents=True)
    (home / "secrets" / "agent.token").write_text("token")
    settings = Settings(home=home, prometheus_url=url)
    built = build_house(
        settings,
        inventory or Inventory(system="shop", services=SERVICES),
        {"FIREBREAK_ACTION_URL": "http://127.0.0.1:9"},
        root=home,
    )
    try:
        yield built
    finally:
        await built.close()


async def looked(built: House) -> Bundle:
    return await built.services.gather("inc-1", [], (), 0)


async def test_series_come_from_prometheus_and_its_end_is_a_blind_spot(tmp_path: Path) -> None:
    """While it answers, its rates are in the bundle; when it is gone, the diagnosis says that it could not be asked."""
    shop = Shop()
    with shop_server(shop) as target:
        with prometheus(shop, target, tmp_path) as url:
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


def test_every_server_once(tmp_path: Path) -> None:
    """The connector of the same address keeps its token; other addresses are added."""
    mine = Connector(kind="prometheus", url="http://p:9090", token_env="TOKEN")
    inventory = Inventory(services=SERVICES, connectors=[mine])
    assert [n.connector for n in connectors(Settings(prometheus_url=""), inventory)] == [mine]
    assert [n.connector for n in connectors(Settings(prometheus_url="http://p:9090/"), inventory)] == [mine]
    more = connectors(Settings(prometheus_url="http://q:9090", loki_url="http://l:3100"), inventory)
    assert [n.connector.url for n in more] == ["http://p:9090", "http://q:9090", "http://l:3100"]
    assert [n.name for n in more] == ["prometheus", "prometheus_2", "loki"]
