"""Every fault for real: it breaks the shop for its users, the wrong fix leaves it broken, the right one mends it."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.fakes.stack_patient import Patient, eventually

pytestmark = [pytest.mark.integration, pytest.mark.campaign, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    found = Patient(home=tmp_path_factory.mktemp("faults"))
    try:
        said = found.up()
        assert said["ready"], said
        yield found
    finally:
        found.down()


@pytest.fixture(autouse=True)
def healthy(patient: Patient) -> None:
    """Each test begins with users served."""
    patient.served(30)


def log_tail(patient: Patient, name: str, lines: int = 60) -> str:
    return "\n".join((patient.home / "logs" / f"{name}.log").read_text().splitlines()[-lines:])


def test_crash_loop(patient: Patient) -> None:
    """A torn warm-start file keeps the api from starting until it is removed."""
    warm = Path(patient.facts["data_dirs"]["api"]) / "warm-start.json"
    eventually(warm.exists, 10, what="a warm-start file")
    warm.write_text(warm.read_text()[:100])
    os.kill(patient.pid("api"), signal.SIGKILL)
    patient.suffer()
    eventually(lambda: patient.row("api")["restarts"] >= 2, 12, what="restarts with backoff", every=0.3)
    assert patient.done("/processes/api/restart")["ready"] is False
    patient.suffer()
    eventually(lambda: patient.row("api")["state"] == "backoff", 20, what="backoff")
    assert "JSONDecodeError" in log_tail(patient, "api")
    warm.unlink()
    assert patient.done("/processes/api/restart")["ready"] is True
    patient.served()


def test_hang(patient: Patient) -> None:
    """A stopped process stays stopped, is called paused, and goes on after resume."""
    os.kill(patient.pid("api"), signal.SIGSTOP)
    patient.suffer(20)
    assert patient.row("api")["state"] == "paused"
    said = patient.post("/processes/api/resume").json()
    assert said["changed"] is True
    patient.served()
    assert patient.post("/processes/api/resume").json()["changed"] is False


def test_long_transaction(patient: Patient) -> None:
    """A held table lock starves users through a restart of the api, until its session is ended."""
    with closing(psycopg.connect(patient.facts["admin_dsn"], application_name="nightly-report")) as conn:
        conn.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        patient.suffer()
        patient.restart("api")
        patient.suffer()
        ended = patient.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'"
        )
        assert ended
        patient.served()


class SlowReader(threading.Thread):
    """Downloads the export a little at a time, for ever, and comes back when it is cut."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.stop = threading.Event()

    def run(self) -> None:
        while not self.stop.is_set():
            with suppress(OSError), closing(socket.create_connection(("127.0.0.1", self.port), 2)) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                sock.sendall(b"GET /api/export HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
                sock.settimeout(5)
                while not self.stop.wait(0.5) and sock.recv(512):
                    pass
            self.stop.wait(0.2)


@contextmanager
def slow_readers(port: int, count: int) -> Iterator[None]:
    readers = [SlowReader(port) for _ in range(count)]
    for reader in readers:
        reader.start()
    try:
        yield
    finally:
        for reader in readers:
            reader.stop.set()
        for reader in readers:
            reader.join(8)


def test_pool_exhaustion(patient: Patient) -> None:
    """Five slow downloads hold the whole pool, before and after a restart; a larger pool serves users again."""
    with slow_readers(patient.row("proxy-api")["port"], 5):
        patient.suffer()
        page = httpx.get(f"{patient.row('api')['url']}/metrics", timeout=5).text
        assert "db_pool_in_use 5.0" in page
        patient.restart("api")
        patient.suffer(15)
        assert patient.post("/pool", {"service": "api", "size": 12}).json()["changed"] is True
        patient.served()
        time.sleep(3)
        patient.served()
    assert patient.status()["pool_size"] == 12
    patient.post("/pool", {"service": "api", "size": 5})


def test_missing_env(patient: Patient) -> None:
    """A deploy without a required key ends the api with a clear line; putting the file back mends it."""
    good = patient.env_text()
    patient.write_env("".join(line for line in good.splitlines(True) if not line.startswith("PAYMENTS_URL=")))
    said = patient.post("/processes/api/restart", {"marker": "deploy", "summary": "new configuration"})
    assert said.json()["ready"] is False
    patient.suffer()
    assert "missing setting PAYMENTS_URL" in log_tail(patient, "api", 4)
    patient.restart("api")
    patient.suffer()
    patient.write_env(good)
    patient.restart("api")
    patient.served()
    kinds = [json.loads(line)["kind"] for line in (patient.home / "changes.jsonl").read_text().splitlines()]
    assert "deploy" in kinds
    assert "config" in kinds


def test_failed_migration(patient: Patient) -> None:
    """The pending migration stops half way and orders fail; going back to the expected revision repairs the schema."""
    said = patient.post("/migrations", {"revision": "0004"})
    assert said.status_code == 409
    assert "division by zero" in said.json()["detail"]
    assert patient.sql("SELECT version_num FROM alembic_version") == [("0004",)]
    patient.suffer()
    patient.restart("api")
    patient.suffer()
    assert patient.post("/migrations", {"revision": "0003"}).json()["revision"] == "0003"
    patient.served()
    assert patient.post("/migrations", {"revision": "0003"}).json()["changed"] is False


def test_upstream_429(patient: Patient) -> None:
    """A neighbour with the same key burns the quota; the fallback provider takes orders and the worker charges later."""
    key = next(line for line in patient.env_text().splitlines() if line.startswith("PAYMENTS_API_KEY=")).partition("=")[
        2
    ]
    url = f"{patient.row('payments')['url']}/charge"
    stop = threading.Event()

    def burn() -> None:
        with httpx.Client(headers={"X-Api-Key": key}) as client:
            while not stop.wait(0.008):
                with suppress(httpx.TransportError):
                    client.post(url, json={"order_id": "neighbour", "amount_cents": 1})

    thread = threading.Thread(target=burn, daemon=True)
    thread.start()
    try:
        eventually(lambda: sum(patient.visit() for _ in range(8)) <= 3, 20, what="most orders fail")
        patient.restart("api")
        eventually(lambda: sum(patient.visit() for _ in range(8)) <= 3, 20, what="most orders still fail")
        assert patient.post("/upstream", {"service": "api", "provider": "fallback"}).json()["changed"] is True
        patient.served()
    finally:
        stop.set()
        thread.join(5)
    patient.post("/upstream", {"service": "api", "provider": "primary"})
    patient.served()


def test_latency(patient: Patient) -> None:
    """A slow link makes orders slow, also after a restart of api and link; the other route is fast."""
    patient.toxics("proxy-db", latency_ms=220, jitter_ms=20)
    patient.suffer()
    patient.restart("api")
    patient.restart("proxy-db")
    patient.suffer()
    assert patient.post("/routes/db", {"route": "proxy-db-b"}).json()["changed"] is True
    patient.served()
    assert patient.status()["route"] == {"db": "proxy-db-b"}
    patient.toxics("proxy-db")
    patient.post("/routes/db", {"route": "proxy-db"})


@pytest.mark.parametrize("way", ["nologin", "password", "membership", "dropped"])
def test_credential_revoked(patient: Patient, way: str) -> None:
    """However the role lost its rights, a new password, login and membership serve users without a restart."""
    patient.sql(
        {
            "nologin": "ALTER ROLE shop_api NOLOGIN",
            "password": f"ALTER ROLE shop_api PASSWORD '{secrets.token_hex(8)}'",
            "membership": "REVOKE shop_rw FROM shop_api",
            "dropped": "DROP ROLE shop_api",
        }[way]
    )
    patient.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'shop_api'")
    patient.suffer()
    patient.restart("api")
    patient.suffer()
    fresh = secrets.token_urlsafe(12)
    if not patient.sql("SELECT 1 FROM pg_roles WHERE rolname = 'shop_api'"):
        patient.sql("CREATE ROLE shop_api")
    patient.sql(f"ALTER ROLE shop_api LOGIN PASSWORD '{fresh}'")
    patient.sql("GRANT shop_rw TO shop_api")
    (patient.home / "config" / "api.secret").write_text(fresh)
    patient.served()


def test_disk_full(patient: Patient) -> None:
    """A full data directory fails orders with the system's own words, also after a restart, until scratch is removed."""
    junk = Path(patient.facts["data_dirs"]["api"]) / "tmp" / "report.tmp"
    with suppress(OSError), junk.open("wb", buffering=0) as stream:
        while True:
            stream.write(b"\0" * 65536)
    with suppress(OSError), junk.open("ab", buffering=0) as stream:
        while True:
            stream.write(b"\0" * 512)
    patient.suffer()
    assert "No space left on device" in log_tail(patient, "api")
    ready = httpx.get(f"{patient.row('api')['url']}/readyz", timeout=5)
    assert ready.status_code == 503
    assert ready.json()["failing"] == ["disk"]
    patient.restart("api")
    patient.suffer()
    junk.unlink()
    patient.served()


def test_cache_hangs(patient: Patient) -> None:
    """Without the cache the catalogue still comes from the database, and orders say that they cannot be queued."""
    os.kill(patient.pid("cache"), signal.SIGSTOP)
    shop = patient.facts["shop_url"]
    assert httpx.get(f"{shop}/api/catalogue", timeout=6).status_code == 200
    patient.suffer()
    patient.post("/processes/cache/resume")
    patient.served()


def test_payments_down(patient: Patient) -> None:
    """A stopped payment service stays stopped and orders fail; started again it serves."""
    assert patient.post("/processes/payments/stop").json()["state"] == "stopped"
    patient.suffer()
    assert patient.row("payments")["state"] == "stopped"
    assert patient.post("/processes/payments/start").json()["ready"] is True
    patient.served()


def test_postgres_killed(patient: Patient) -> None:
    """A database killed with -9 is started again by the supervisor, and nothing that was sold is lost."""
    before = patient.sql("SELECT count(*) FROM orders WHERE status <> 'failed'")[0][0]
    os.kill(patient.pid("postgres"), signal.SIGKILL)
    patient.served(30)
    assert patient.row("postgres")["restarts"] >= 1
    assert patient.sql("SELECT count(*) FROM orders WHERE status <> 'failed'")[0][0] >= before


def test_worker_fulfils(patient: Patient) -> None:
    """An order is fulfilled by the worker, and waits in the queue while the worker is stopped."""
    patient.post("/processes/worker/stop")
    order = httpx.post(
        f"{patient.facts['shop_url']}/api/orders", json={"items": [{"product_id": 2}]}, timeout=5
    ).json()["id"]
    url = f"{patient.facts['shop_url']}/api/orders/{order}"
    time.sleep(1)
    assert httpx.get(url, timeout=5).json()["status"] == "pending"
    patient.post("/processes/worker/start")
    eventually(lambda: httpx.get(url, timeout=5).json()["status"] == "fulfilled", 15, what="the order is fulfilled")


def test_snapshot(patient: Patient) -> None:
    """A snapshot brings back what was deleted after it, and the shop goes on."""
    taken = patient.post("/snapshots", {}).json()
    assert taken["revision"] == "0003"
    patient.sql("UPDATE products SET name = 'gone' WHERE id = 1")
    assert patient.post(f"/snapshots/{taken['id']}/restore").json()["restored"] is True
    assert patient.sql("SELECT name FROM products WHERE id = 1") == [("Lighthouse Espresso",)]
    patient.served()
    assert patient.post("/snapshots/snap-none/restore").status_code == 404


def test_release(patient: Patient) -> None:
    """A release changes the catalogue's badge without a failed request, a split serves both, and back again."""
    shop = patient.facts["shop_url"]
    seen: list[int] = []
    stop = threading.Event()

    def browse() -> None:
        with httpx.Client(timeout=5) as client:
            while not stop.wait(0.05):
                seen.append(client.get(f"{shop}/api/catalogue").status_code)

    thread = threading.Thread(target=browse, daemon=True)
    thread.start()
    try:
        assert patient.post("/release", {"version": "v2"}).json()["version"] == "v2"
        assert "badge" in httpx.get(f"{shop}/api/catalogue", timeout=5).json()
        assert patient.post("/release", {"version": "v2"}).json()["changed"] is False
        patient.post("/release", {"version": "v1", "weights": {"v1": 50, "v2": 50}})
        assert {row["name"] for row in patient.status()["processes"]} >= {"api", "api-v2"}
        found = {httpx.get(f"{shop}/api/catalogue", timeout=5).json()["release"] for _ in range(40)}
        assert found == {"v1", "v2"}
        patient.post("/release", {"version": "v1", "weights": {"v1": 100, "v2": 0}})
        assert {httpx.get(f"{shop}/api/catalogue", timeout=5).json()["release"] for _ in range(10)} == {"v1"}
    finally:
        stop.set()
        thread.join(6)
    assert set(seen) == {200}
