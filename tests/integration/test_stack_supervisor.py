"""The stack as a whole: up, side by side, supervisor killed and replaced, taken down without a trace."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from domain.inventory import Inventory
from stack.home import at
from stack.supervisor.orphans import find
from stack.supervisor.volume import mounted
from tests.fakes.stack_patient import Patient, eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    found = Patient(home=tmp_path_factory.mktemp("whole"))
    try:
        said = found.up(rps=0)
        assert said["ready"], said
        yield found
    finally:
        found.down()


def gone(patient: Patient, ports: list[int]) -> None:
    """No process, no listener, no mount of this home is left."""
    assert find(at(patient.home)) == []
    assert not mounted(patient.home / "data" / "api")
    for port in ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, port
    assert not (patient.home / "stack.json").exists()


def ports_of(patient: Patient) -> list[int]:
    return [row["port"] for row in patient.status()["processes"] if row["port"]]


def test_inventory_validates(patient: Patient) -> None:
    """The shipped firebreak.yaml is a valid inventory with every service, binding and outside probe."""
    found = Inventory.model_validate(yaml.safe_load((patient.home / "firebreak.yaml").read_text()))
    assert found.names() == [
        "frontend", "api", "postgres", "cache", "worker", "payments",
        "proxy-db", "proxy-db-b", "proxy-cache", "proxy-payments", "proxy-api",
    ]  # fmt: skip
    api = found.service("api")
    assert api is not None
    assert {"config", "release", "traffic", "pool", "migration", "upstream", "disk", "credential"} <= set(api.bindings)
    front = found.service("frontend")
    assert front is not None
    assert [p.name for p in front.probes if p.kind == "http" and p.user_facing] == [
        "shop_page",
        "catalogue",
        "checkout",
    ]


def test_control_refuses(patient: Patient) -> None:
    """Without a token nothing is told, the read token changes nothing, wrong input gets a problem document."""
    facts = patient.facts
    assert httpx.get(f"{facts['control_url']}/status").status_code == 401
    read = {"Authorization": f"Bearer {facts['read_token']}"}
    assert httpx.post(f"{facts['control_url']}/load", json={"rps": 1}, headers=read).status_code == 403
    for path, body in (
        ("/pool", {"service": "api", "size": 0}),
        ("/pool", {"service": "frontend", "size": 3}),
        ("/release", {"version": "v9"}),
        ("/routes/db", {"route": "proxy-api"}),
        ("/upstream", {"service": "api", "provider": "elsewhere"}),
        ("/migrations", {"revision": "../x"}),
        ("/load", {"rps": -1}),
        ("/load", {"rps": 1, "extra": True}),
    ):
        answer = patient.post(path, body)
        assert answer.status_code == 422, (path, body, answer.text)
        assert {"code", "detail", "expected", "found"} <= set(answer.json())
    assert patient.post("/processes/nobody/restart").status_code == 404
    assert patient.post("/migrations", {"revision": "9999"}).status_code == 409


def test_posts_are_idempotent(patient: Patient) -> None:
    """Asking twice changes once, and a repeated idempotency key is answered as before."""
    assert patient.done("/load", {"rps": 1})["changed"] is True
    assert patient.done("/load", {"rps": 1})["changed"] is False
    patient.done("/load", {"rps": 0})
    assert patient.done("/processes/api/start")["changed"] is False
    key = {"Idempotency-Key": "once"}
    first = patient.post("/processes/worker/restart", {}, **key).json()
    assert patient.post("/processes/worker/restart", {}, **key).json() == first
    assert patient.pid("worker") == first["pid"]


def test_a_shifted_route_is_left_by_all(patient: Patient) -> None:
    """Also connections that were just being made over the slow route when it was left do not stay on it."""

    def on_old_route() -> float:
        page = httpx.get(f"{patient.facts['proxies']['proxy-db']['admin_url']}/metrics", timeout=5).text
        return float(page.partition("\nproxy_connections ")[2].partition("\n")[0])

    patient.toxics("proxy-db", latency_ms=220)
    for name in ("worker", "api"):
        patient.restart(name)
    eventually(lambda: on_old_route() > 0, 10, what="somebody connects over the slow route", every=0.02)
    assert patient.post("/routes/db", {"route": "proxy-db-b"}).json()["changed"] is True
    patient.served()
    eventually(lambda: on_old_route() == 0, 10, what="nobody is left on the slow route")
    patient.toxics("proxy-db")
    patient.done("/routes/db", {"route": "proxy-db"})
    patient.served()


def test_page(patient: Patient) -> None:
    """A browser gets the shop's page."""
    found = httpx.get(patient.facts["shop_url"])
    assert found.status_code == 200
    assert "Ember &amp; Oak" in found.text


def test_supervisor_killed(patient: Patient) -> None:
    """A killed supervisor leaves users served; the next one adopts every process and keeps what was decided."""
    patient.done("/pool", {"service": "api", "size": 7})
    patient.done("/processes/loadgen/stop")
    before = {row["name"]: row["pid"] for row in patient.status()["processes"]}
    tokens = patient.facts["control_token"]
    assert patient.process is not None
    assert patient.process.stdout is not None
    os.kill(patient.process.pid, signal.SIGKILL)
    patient.process.wait()
    patient.process.stdout.close()
    patient.served()
    assert patient.up(rps=0)["ready"] is True
    assert {row["name"]: row["pid"] for row in patient.status()["processes"]} == before
    assert patient.facts["control_token"] == tokens
    assert patient.status()["pool_size"] == 7
    assert patient.row("loadgen")["state"] == "stopped"
    os.kill(patient.pid("worker"), signal.SIGKILL)
    eventually(lambda: patient.row("worker")["state"] == "running", 20, what="an adopted process is restarted")
    patient.served()


def test_down_after_crash(tmp_path: Path) -> None:
    """Down clears everything that a killed supervisor left, next to another home that is not touched."""
    one = Patient(home=tmp_path / "one")
    two = Patient(home=tmp_path / "two")
    try:
        assert one.up(rps=1)["ready"]
        assert two.up(rps=1)["ready"]
        left, right = ports_of(one), ports_of(two)
        assert not set(left) & set(right)
        assert one.process is not None
        os.kill(one.process.pid, signal.SIGKILL)
        time.sleep(0.5)
        assert one.down()["down"] is True
        gone(one, left)
        two.served()
        assert two.down()["down"] is True
        gone(two, right)
    finally:
        one.down()
        two.down()
