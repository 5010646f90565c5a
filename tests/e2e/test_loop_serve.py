"""Somebody's own systems, read through their own Prometheus."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest
import yaml

from tests.e2e.installation import Installation, leftovers
from tests.fakes.prometheus_server import Shop, prometheus, shop_server

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


def inventory(target: str) -> dict[str, object]:
    """One service that nobody scrapes but their Prometheus."""
    front = {"kind": "http", "name": "front page", "url": f"{target}/", "user_facing": True}
    return {"system": "corner-shop", "services": [{"name": "api", "kind": "api", "mode": "observe", "probes": [front]}]}


def test_serve_reads_a_prometheus(tmp_path: Path) -> None:
    """The error ratio that only Prometheus knows is cited as evidence; neither stack nor chaos is started."""
    shop, home = Shop(), tmp_path / "home"
    with shop_server(shop) as target, prometheus(shop, target, tmp_path) as url:
        config = tmp_path / "firebreak.yaml"
        config.write_text(yaml.safe_dump(inventory(target)))
        it = Installation(home, {"PROMETHEUS_URL": url})
        try:
            started = it.run("serve", "--config", str(config), "--detach")
            assert started.returncode == 0, started.stderr
            names = {row["name"] for row in it.ask("status")["processes"]}
            assert names.isdisjoint({"stack", "chaos", "reaper"})
            time.sleep(8)  # a stretch of good service, to compare with
            shop.broken = True
            time.sleep(4)
            token = (home / "secrets" / "intake.token").read_text().strip()
            body = {"title": "shop is failing", "service": "api", "severity": "high", "status": "firing"}
            sent = httpx.post(
                f"{it.process('app')['url']}/intake/generic",
                json=body,
                headers={"Authorization": f"Bearer {token}"},
                trust_env=False,
            )
            assert sent.status_code == 202, sent.text
            record = it.ended(it.new_incident(set()))
            cited = [e for e in record["diagnosis"]["evidence"] if "error_ratio" in f"{e['source']} {e['excerpt']}"]
            assert cited, record["diagnosis"]
            assert not [s for s in record["diagnosis"]["blind_spots"] if s.startswith("prometheus")]
            assert record["results"] == []
        finally:
            it.run("down")
    assert leftovers(home) == []
