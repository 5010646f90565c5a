"""A small system with real parts for the tools' tests: processes, files, a control endpoint over HTTP, a metrics page.

PostgreSQL and Redis are given from outside (`dsn`, `cache_url`); everything else lives in a directory.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import psycopg

from domain.inventory import Binding, Environment, HttpProbe, Inventory, Mode, Service, TcpProbe, Telemetry
from tests.fakes.programs import platform_service

CONTROL, READ = "control-word", "read-word"
MIGRATIONS = {"0001": None, "0002": "0001", "0003": "0002", "0004": "0003"}
METRICS = """# TYPE db_pool_size gauge
db_pool_size {size}
db_pool_in_use {in_use}
db_pool_waiting {waiting}
db_pool_timeouts_total 3
upstream_requests_total{{dependency="payments",provider="primary",status="200"}} {paid}
upstream_requests_total{{dependency="payments",provider="primary",status="429"}} {refused}
queue_depth 4
queue_oldest_seconds 1.5
"""

CLUSTER: dict[str, Any] = {
    "workload": "web",
    "service": "web",
    "replicas": 3,
    "settings": {"config_map": "settings", "values": {"MODE": "fast"}},
    "permissions": {
        "service_account": "web",
        "role": "reader",
        "role_binding": "readers",
        "needs": [{"resource": "configmaps", "verbs": ["get"]}],
    },
    "callers": {"network_policy": "closed", "port": 8080, "workloads": ["db"]},
}
"""What the inventory says of the service in a cluster."""


class Site:
    """The system's state; tests look at it and break it."""

    def __init__(self, directory: Path, dsn: str = "", cache_url: str = "") -> None:
        self.directory = directory
        self.dsn = dsn
        self.cache_url = cache_url
        self.posts: list[str] = []
        """Paths of all changes that were asked for, in order."""
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.started: dict[str, float] = {}
        self.restarts: dict[str, int] = {}
        self.release: dict[str, Any] = {"version": "v2", "weights": {"v1": 0, "v2": 100}, "previous": "v1"}
        self.route = {"db": "proxy-db"}
        self.pool_size = 5
        self.provider = "primary"
        self.snapshots: list[str] = []
        self.metrics = {"in_use": 2, "waiting": 0, "paid": 10, "refused": 0}
        self.garbled = False
        """True: GET /status answers text instead of JSON."""
        self.mute = False
        """True: POSTs are carried out, but the answer never comes."""
        self.deaf = False
        """True: restarts leave the process dead."""
        self.config = directory / "api.env"
        self.config.write_text("# the api\nDB_POOL_SIZE=5\nLOG_LEVEL=info\nPAYMENTS_API_KEY=k-123456\n")
        self.password = directory / "api.secret"
        self.password.write_text("first-password")
        self.data = directory / "data"
        (self.data / "tmp").mkdir(parents=True)
        (self.data / "receipts").mkdir()
        (self.data / "receipts" / "1.json").write_text("{}")
        (self.data / "warm-start.json").write_text('{"products": []}')
        self.versions = directory / "versions"
        self.versions.mkdir()
        for name, down in MIGRATIONS.items():
            (self.versions / f"{name}_step.py").write_text(f"revision = {name!r}\ndown_revision = {down!r}\n")
        (directory / "api.log").write_text('{"level": "info", "message": "hello password=hunter22"}\n')
        self.url = ""
        self.target: Path | None = None
        """TARGET file of a host or cluster, when the test has one: the inventory then has a service `far`."""
        self.far: Any = None
        """What stands behind the TARGET."""

    def spawn(self, name: str) -> None:
        """Start a real process that does nothing."""
        self.children[name] = subprocess.Popen(["sleep", "600"])
        self.started[name] = time.time()

    def end(self, name: str) -> None:
        """Stop it, also when it is paused."""
        child = self.children.pop(name, None)
        if child is not None:
            child.kill()
            child.wait()

    def pause(self, name: str) -> None:
        """SIGSTOP, which has taken effect when this returns."""
        process = psutil.Process(self.children[name].pid)
        process.suspend()
        while process.status() != psutil.STATUS_STOPPED:
            time.sleep(0.01)

    def status(self) -> dict[str, Any]:
        """What GET /status says."""
        rows = []
        for name in ("api", "postgres"):
            child = self.children.get(name)
            alive = child is not None and child.poll() is None
            rows.append(
                {
                    "name": name,
                    "pid": child.pid if child and alive else None,
                    "state": "running" if alive else "stopped",
                    "restarts": self.restarts.get(name, 0),
                    "last_exit": None,
                    "started_at": self.started.get(name) if alive else None,
                }
            )
        more = {"release": self.release, "route": self.route, "pool_size": self.pool_size}
        return {"processes": rows, **more, "upstream": {"payments": self.provider}}

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Carry out one change. Raises KeyError for unknown ones."""
        self.posts.append(path)
        match path.strip("/").split("/"):
            case ["processes", name, verb]:
                self._process(name, verb)
            case ["release"]:
                self.release = {**body, "previous": self.release["version"]}
            case ["routes", "db"]:
                self.route = {"db": body["route"]}
            case ["pool"]:
                self.pool_size = body["size"]
            case ["upstream"]:
                self.provider = body["provider"]
            case ["migrations"]:
                with psycopg.connect(self.dsn, autocommit=True) as conn:
                    conn.execute("update alembic_version set version_num = %s", (body["revision"],))
            case ["snapshots"]:
                self.snapshots.append(f"snap-{len(self.snapshots) + 1}")
                return {"id": self.snapshots[-1]}
            case ["snapshots", name, "restore"]:
                self._replace_database()
                return {"restored": name}
            case _:
                raise KeyError(path)
        return {}

    def _replace_database(self) -> None:
        """As a restore does: another database takes the name."""
        with psycopg.connect(self.dsn.rsplit("/", 1)[0] + "/postgres", autocommit=True) as conn:
            conn.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'shop'")
            conn.execute("create database fresh template shop")
            conn.execute("drop database shop with (force)")
            conn.execute("alter database fresh rename to shop")

    def _process(self, name: str, verb: str) -> None:
        if verb == "resume":
            os.kill(self.children[name].pid, signal.SIGCONT)
        if verb in ("stop", "restart"):
            self.end(name)
        if verb == "start" or (verb == "restart" and not self.deaf):
            self.spawn(name)

    def close(self) -> None:
        """End all processes."""
        for name in list(self.children):
            self.end(name)

    def page(self) -> str:
        """The metrics page; paid and refused grow with every look."""
        self.metrics["paid"] += 5
        return METRICS.format(size=self.pool_size, **self.metrics)

    def env(self) -> dict[str, str]:
        """Variables that bindings name."""
        return {
            "FIREBREAK_HOME": str(self.directory / "home"),
            "PATH": os.environ["PATH"],
            "CLOUD_TOKEN": CONTROL,
            "T_CONTROL": CONTROL,
            "T_READ": READ,
            "T_ADMIN": self.dsn,
            "T_MONITOR": self.dsn.replace("admin:admin-password", "monitor:monitor-password"),
        }

    def inventory(self) -> Inventory:
        """An api and its database, described as any system is."""
        return Inventory(
            system="site",
            services=[
                Service(
                    name="api",
                    kind="api",
                    environment=Environment.SANDBOX,
                    mode=Mode.ACT,
                    depends_on=["postgres"],
                    probes=[
                        HttpProbe(name="metrics", url=f"{self.url}/metrics", expect_text="db_pool_size"),
                        HttpProbe(name="shop", url=f"{self.url}/nowhere", user_facing=True),
                        TcpProbe(name="port", port=self._port(), max_ms=1500),
                        TcpProbe(name="closed", port=1),
                    ],
                    telemetry=Telemetry(scrape=f"{self.url}/metrics", logs=["api.log"]),
                    bindings=self._api_bindings(),
                ),
                Service(
                    name="postgres",
                    kind="database",
                    environment=Environment.SANDBOX,
                    mode=Mode.ACT,
                    bindings={
                        "process": self._control("processes/postgres"),
                        "database": Binding(
                            via="postgres", dsn_env="T_ADMIN", options={"monitor_dsn_env": "T_MONITOR"}
                        ),
                        "snapshot": self._control("snapshots"),
                    },
                ),
                Service(
                    name="cache",
                    kind="cache",
                    environment=Environment.SANDBOX,
                    bindings={
                        "cache": Binding(via="redis", url=self.cache_url, options={"prefixes": ["shop:catalogue"]})
                    },
                ),
                Service(name="worker", kind="worker", telemetry=Telemetry(scrape=f"{self.url}/metrics")),
                *self._far(),
                *self._platform(),
            ],
        )

    def _platform(self) -> list[Service]:
        folder = self.directory / "platform"
        return [platform_service(folder)] if folder.exists() else []

    def _far(self) -> list[Service]:
        if self.target is None:
            return []
        path = str(self.target)
        cluster = Binding(via="kubernetes", path=path, options=CLUSTER)
        bindings = {"host": Binding(via="ssh", path=path), "kubernetes": cluster}
        return [Service(name="far", kind="host", environment=Environment.SANDBOX, mode=Mode.ACT, bindings=bindings)]

    def _api_bindings(self) -> dict[str, Binding]:
        routes = {name: {"host": "127.0.0.1", "port": self._port()} for name in ("proxy-db", "proxy-db-b")}
        return {
            "process": self._control("processes/api"),
            "config": Binding(via="file", path=str(self.config)),
            "release": self._control("release"),
            "traffic": self._control("routes/db", link="db", protocol="http", routes=routes),
            "pool": self._control("pool", min=1, max=40),
            "migration": self._control("migrations", expected="0003", versions_dir=str(self.versions)),
            "upstream": self._control("upstream", providers=["primary", "fallback"], dependency="payments"),
            "disk": Binding(
                via="directory", path=str(self.data), options={"scratch": ["tmp/*", "*.junk"], "keep": ["receipts/*"]}
            ),
            "warm_cache": Binding(via="directory", path=str(self.data), options={"files": ["warm-start.json"]}),
            "credential": Binding(
                via="postgres",
                dsn_env="T_ADMIN",
                options={
                    "role": "shop_api",
                    "member_of": ["shop_rw"],
                    "secret_file": str(self.password),
                    "grants": [{"to": "shop_rw", "privileges": ["select", "insert"], "names": ["orders"]}],
                    "monitor_dsn_env": "T_MONITOR",
                },
            ),
        }

    def _control(self, path: str, **options: Any) -> Binding:
        more = {"read_token_env": "T_READ", "status_url": f"{self.url}/status"}
        return Binding(via="control", url=f"{self.url}/{path}", token_env="T_CONTROL", options={**more, **options})

    def _port(self) -> int:
        return int(self.url.rsplit(":", 1)[-1])


@contextmanager
def running_site(directory: Path, dsn: str = "", cache_url: str = "") -> Iterator[Site]:
    """The site with its control endpoint serving; `api` and `postgres` run."""
    site = Site(directory, dsn, cache_url)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(site))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        site.spawn("api")
        site.spawn("postgres")
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        site.close()


def prepare_database(dsn: str) -> None:
    """Roles, a table and the mark of the migrations, as a shop has them; from scratch."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("drop table if exists orders, alembic_version")
        for role in ("shop_api", "shop_rw", "monitor"):
            known = conn.execute("select 1 from pg_roles where rolname = %s", (role,)).fetchone()
            if known:
                conn.execute(f"drop owned by {role}")
                conn.execute(f"drop role {role}")
        conn.execute("create role shop_rw nologin")
        conn.execute("create role shop_api login password 'first-password' in role shop_rw")
        conn.execute("create role monitor login password 'monitor-password' in role pg_monitor")
        conn.execute("create table orders (id int primary key, note text)")
        conn.execute("insert into orders values (1, 'a')")
        conn.execute("create table alembic_version (version_num text)")
        conn.execute("insert into alembic_version values ('0003')")
        conn.execute("grant select, insert, update, delete on all tables in schema public to shop_rw")
        conn.execute("grant select on alembic_version to monitor")


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, site.page().encode(), "text/plain")
            elif self.path == "/status" and site.garbled:
                self._answer(200, b"<html>", "text/html")
            elif self.path == "/status":
                self._guarded((READ, CONTROL), site.status)
            elif self.path == "/snapshots":
                self._guarded((READ, CONTROL), lambda: {"snapshots": [{"id": name} for name in site.snapshots]})
            else:
                self._answer(404, b'{"title": "Not found"}')

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
            self._guarded((CONTROL,), lambda: site.post(self.path, body))

        def _guarded(self, words: tuple[str, ...], deed: Any) -> None:
            if self.headers.get("authorization", "").removeprefix("Bearer ") not in words:
                self._answer(401, b'{"title": "Not authenticated"}')
                return
            try:
                found = deed()
            except KeyError as error:
                self._answer(422, json.dumps({"detail": f"unknown {error}"}).encode())
                return
            if site.mute and self.command == "POST":
                self.close_connection = True
                self.connection.close()
                return
            self._answer(200, json.dumps(found).encode())

        def _answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    return Handler
