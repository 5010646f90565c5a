"""The `firebreak.yaml` that the stack ships about itself. Pure: facts in, document out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stack.home import PROXIES, Home, Identity
from stack.shop.queue import DEAD, DELAYED, HEARTBEAT, QUEUE
from stack.supervisor.database import EXPECTED_REVISION, Place
from stack.supervisor.volume import Volume

SCRATCH = ["tmp/*", "*.tmp", "*.part", "*.dump", "core.*"]
KEEP = ["receipts/*", "warm-start.json"]
GRANTS: list[dict[str, object]] = [
    {"to": "shop_rw", "on": "schema", "privileges": ["usage"]},
    {
        "to": "shop_rw",
        "privileges": ["select", "insert", "update", "delete"],
        "names": ["products", "stock", "orders", "order_items", "price_history"],
    },
    {"to": "shop_rw", "on": "sequences", "privileges": ["usage", "select"]},
]
"""What the group of the application's roles may do, so that taken rights can be given back."""
MEMORY_BYTES = 512 * 1024 * 1024
"""What one process of the api is given; it needs about a fifth of it."""
SHOP_NAME = "Ember &amp; Oak"
UPSTREAMS = {
    "proxy-db": ["postgres"],
    "proxy-db-b": ["postgres"],
    "proxy-cache": ["cache"],
    "proxy-payments": ["payments"],
    "proxy-api": ["api"],
}
TOKEN, READ_TOKEN = "FIREBREAK_STACK_TOKEN", "FIREBREAK_STACK_READ_TOKEN"
ADMIN_DSN, MONITOR_DSN = "FIREBREAK_STACK_ADMIN_DSN", "FIREBREAK_STACK_MONITOR_DSN"

Row = dict[str, Any]


def document(home: Home, identity: Identity, volume: Volume, where: Place, control_url: str) -> Row:
    """The whole inventory."""
    facts = _Facts(home=home, identity=identity, volume=volume, where=where, control=control_url)
    services = [facts.frontend(), facts.api(), facts.postgres(), facts.cache(), facts.worker(), facts.payments()]
    services += [facts.proxy(name) for name in PROXIES]
    people = [
        {"name": "operator", "roles": ["viewer", "responder", "approver", "admin"]},
    ]
    return {"version": "1", "system": "ember-and-oak", "services": services, "people": people}


class _Facts:
    def __init__(self, *, home: Home, identity: Identity, volume: Volume, where: Place, control: str) -> None:
        self.home = home
        self.identity = identity
        self.volume = volume
        self.where = where
        self.control = control

    def service(self, name: str, kind: str, **more: Any) -> Row:
        """What all services have in common."""
        bindings = {"process": self.process(name)} | more.pop("bindings", {})
        telemetry = {"logs": [str(self.home.log(name))], "changes": [str(self.home.changes)]}
        telemetry |= more.pop("telemetry", {})
        return {
            "name": name,
            "kind": kind,
            "environment": "sandbox",
            "hosts": ["127.0.0.1"],
            "owner": "shop",
            "mode": "act",
            "chaos": True,
            "alert_match": {"service": name},
            "telemetry": telemetry,
            **more,
            "bindings": bindings,
        }

    def process(self, name: str) -> Row:
        """How it is started and stopped."""
        return self.controlled(f"/processes/{name}")

    def controlled(self, path: str, **options: Any) -> Row:
        """A binding to the control endpoint."""
        status = {"read_token_env": READ_TOKEN, "status_url": f"{self.control}/status"}
        return {"via": "control", "url": self.control + path, "token_env": TOKEN, "options": status | options}

    def config(self, service: str) -> Row:
        """The configuration file."""
        return {"via": "file", "path": str(self.home.env_file(service))}

    def scraped(self, service: str) -> Row:
        """Metrics and spans of a service that has them."""
        return {
            "scrape": f"{self.identity.url(service)}/metrics",
            "spans": [str(self.home.spans / f"{service}.jsonl")],
        }

    def frontend(self) -> Row:
        """The shop's page and door."""
        base = self.identity.url("frontend")
        order = {"customer": "probe", "items": [{"product_id": 1, "quantity": 1}]}
        probes = [
            _http("shop_page", f"{base}/", expect_text=SHOP_NAME, user_facing=True, max_ms=1500),
            _http("catalogue", f"{base}/api/catalogue", expect_text='"products"', user_facing=True, max_ms=1500),
            _http(
                "checkout",
                f"{base}/api/orders",
                method="POST",
                json_body=order,
                expect_status=201,
                user_facing=True,
                max_ms=1500,
            ),
            _http("frontend_health", f"{base}/healthz"),
        ]
        return self.service(
            "frontend",
            "frontend",
            criticality="high",
            depends_on=["proxy-api"],
            probes=probes,
            slos=[
                {"name": "shop-available", "sli": "availability", "target": 0.99},
                {"name": "shop-errors", "sli": "error_ratio", "target": 0.99},
                {"name": "shop-fast", "sli": "latency_p95", "target": 0.75},
            ],
            telemetry=self.scraped("frontend"),
            bindings={"config": self.config("frontend")},
            runbooks=[],
        )

    def api(self) -> Row:
        """The api with everything that can be changed about it."""
        base = self.identity.url("api")
        probes = [
            _http("api_health", f"{base}/healthz"),
            _http("api_ready", f"{base}/readyz", expect_text='"ready"', max_ms=2500),
        ]
        return self.service(
            "api",
            "api",
            criticality="high",
            depends_on=["proxy-db", "proxy-cache", "proxy-payments"],
            probes=probes,
            slos=[
                {"name": "api-available", "sli": "availability", "target": 0.99},
                {"name": "api-errors", "sli": "error_ratio", "target": 0.99},
                {"name": "api-fast", "sli": "latency_p95", "target": 0.5},
                {"name": "api-pool", "sli": "saturation", "target": 0.9},
            ],
            telemetry=self.scraped("api"),
            bindings=self.api_bindings(),
        )

    def api_bindings(self) -> Row:
        """Aspect → binding."""
        ports = self.identity.ports
        routes = {name: {"host": "127.0.0.1", "port": ports[name]} for name in ("proxy-db", "proxy-db-b")}
        measured = {"v1": f"{self.identity.url('api')}/metrics", "v2": f"{self.identity.url('api-v2')}/metrics"}
        own = Path(__file__).resolve().parent.parent / "migrations" / "versions"
        versions = [str(own), str(self.home.migrations)]
        data = str(self.volume.path)
        room: Row = {"scratch": SCRATCH, "keep": KEEP}
        if self.volume.quota_bytes:
            room["quota_bytes"] = self.volume.quota_bytes
        return {
            "config": self.config("api"),
            "release": self.controlled(
                "/release",
                versions=["v1", "v2"],
                scrapes=measured,
                dimensions=["customer.group"],
                memory_bytes=MEMORY_BYTES,
            ),
            "traffic": self.controlled("/routes/db", link="db", routes=routes),
            "pool": self.controlled("/pool", min=1, max=40),
            "migration": self.controlled("/migrations", expected=EXPECTED_REVISION, versions_dir=versions),
            "upstream": self.controlled("/upstream", providers=["primary", "fallback"], dependency="payments"),
            "disk": {"via": "directory", "path": data, "options": room},
            "warm_cache": {"via": "directory", "path": data, "options": {"files": ["warm-start.json"]}},
            "credential": self.credential("api", "shop_api"),
        }

    def credential(self, service: str, role: str) -> Row:
        """The database role a service logs in with."""
        return {
            "via": "postgres",
            "dsn_env": ADMIN_DSN,
            "options": {
                "role": role,
                "member_of": ["shop_rw"],
                "grants": GRANTS,
                "secret_file": str(self.home.secret_file(service)),
                "monitor_dsn_env": MONITOR_DSN,
            },
        }

    def postgres(self) -> Row:
        """The database."""
        database = {
            "via": "postgres",
            "dsn_env": ADMIN_DSN,
            "options": {"monitor_dsn_env": MONITOR_DSN, "app_roles": ["shop_api", "shop_worker"]},
        }
        row = self.service(
            "postgres",
            "database",
            criticality="high",
            probes=[_tcp("postgres_port", self.where.host, self.where.port)],
            bindings={"database": database, "snapshot": self.controlled("/snapshots")},
        )
        if self.where.external:
            row["bindings"].pop("process")
            row["telemetry"].pop("logs")
        return row

    def cache(self) -> Row:
        """The cache, which also holds the queue."""
        port = self.identity.ports["cache"]
        binding = {
            "via": "redis",
            "url": f"redis://127.0.0.1:{port}/0",
            "options": {"prefixes": ["shop:catalogue"], "keep": [QUEUE]},
        }
        return self.service(
            "cache", "cache", probes=[_tcp("cache_port", "127.0.0.1", port)], bindings={"cache": binding}
        )

    def worker(self) -> Row:
        """The background worker."""
        queue = {
            "via": "redis",
            "url": f"redis://127.0.0.1:{self.identity.ports['cache']}/0",
            "options": {
                "queue": QUEUE,
                "delayed": DELAYED,
                "dead": DEAD,
                "heartbeat": HEARTBEAT,
                "enqueued_at": "enqueued_at",
            },
        }
        return self.service(
            "worker",
            "worker",
            depends_on=["proxy-db", "proxy-cache", "proxy-payments"],
            probes=[_http("worker_health", f"{self.identity.url('worker')}/healthz")],
            slos=[{"name": "worker-fresh", "sli": "freshness", "target": 20}],
            telemetry=self.scraped("worker"),
            bindings={
                "config": self.config("worker"),
                "queue": queue,
                "credential": self.credential("worker", "shop_worker"),
            },
        )

    def payments(self) -> Row:
        """The payment service."""
        return self.service(
            "payments",
            "upstream",
            probes=[_http("payments_health", f"{self.identity.url('payments')}/healthz")],
            slos=[{"name": "payments-available", "sli": "availability", "target": 0.99}],
            telemetry=self.scraped("payments"),
            bindings={"config": self.config("payments")},
        )

    def proxy(self, name: str) -> Row:
        """A network link."""
        port = self.identity.ports[name]
        telemetry = {"scrape": f"{self.identity.url(f'{name}-admin')}/metrics"}
        probes = [_tcp(f"{name.replace('-', '_')}_port", "127.0.0.1", port)]
        return self.service(name, "proxy", depends_on=UPSTREAMS[name], probes=probes, telemetry=telemetry)


def _http(name: str, url: str, **more: Any) -> Row:
    return {"kind": "http", "name": name, "url": url, **more}


def _tcp(name: str, host: str, port: int) -> Row:
    return {"kind": "tcp", "name": name, "host": host, "port": port}


def render(found: Mapping[str, Any]) -> str:
    """As YAML."""
    import yaml

    head = "# The shop's inventory, written by `python -m stack up`. Edits are lost at the next start.\n"
    return head + yaml.safe_dump(dict(found), sort_keys=False, width=110, allow_unicode=True)
