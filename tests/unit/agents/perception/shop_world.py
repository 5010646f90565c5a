"""A shop in readings: healthy by default, broken by saying which readings differ."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from domain.alert import Change
from domain.bundle import AlertHint, Bundle, Edge, LogLine, Node, Reading, Series

NOW = 1_780_000_000.0
ONSET = NOW - 40
SERVICES = {
    "frontend": "frontend",
    "api": "api",
    "postgres": "database",
    "cache": "cache",
    "worker": "worker",
    "payments": "upstream",
    "proxy-db": "proxy",
    "proxy-db-b": "proxy",
    "proxy-cache": "proxy",
    "proxy-payments": "proxy",
    "proxy-api": "proxy",
}
EDGES = [
    ("frontend", "proxy-api"),
    ("proxy-api", "api"),
    ("api", "proxy-db"),
    ("proxy-db", "postgres"),
    ("proxy-db-b", "postgres"),
    ("api", "proxy-cache"),
    ("proxy-cache", "cache"),
    ("api", "proxy-payments"),
    ("proxy-payments", "payments"),
    ("worker", "proxy-db"),
    ("worker", "proxy-cache"),
]


class World:
    """Collects what probes, logs and metrics would say; `bundle()` gives it to the engine."""

    def __init__(self) -> None:
        self.readings: dict[tuple[str, str, str], Reading] = {}
        self.logs: list[LogLine] = []
        self.changes: list[Change] = []
        self.series: list[Series] = []
        for name in SERVICES:
            self.say(
                "process_state",
                name,
                True,
                state="running",
                pid=1000 + len(self.readings),
                os_state="S",
                restarts=0,
                last_exit=None,
                uptime_s=900,
            )
        for name in ("frontend", "api", "payments"):
            self.say("http_health", name, True, name=f"{name}-health", status=200, ms=8, user_facing=False, error="")
        for name in ("browse", "order"):
            self.say("http_health", "frontend", True, name=name, status=200, ms=30, user_facing=True, error="")
        self.say(
            "db_activity",
            "postgres",
            True,
            reachable=True,
            sessions=9,
            max_connections=40,
            by_role={},
            longest_transaction_s=0.1,
            in_recovery=False,
            read_only=False,
        )
        self.say("db_locks", "postgres", True, blocked=0, blockers=[])
        self.say(
            "db_auth", "api", True, role="shop_api", exists=True, can_login=True, member_of_missing=[], login_ok=True
        )
        self.say("schema_version", "api", True, current="0003", expected="0003", dirty=False, pending=[])
        self.say("db_pool", "api", True, size=5, in_use=1, waiting=0)
        self.say(
            "config_diff", "api", True, changed=False, keys_missing=[], keys_added=[], keys_changed=[], version="v7"
        )
        self.say(
            "disk_usage",
            "api",
            True,
            path="/data/api",
            total_bytes=8_000_000,
            free_bytes=6_000_000,
            used_ratio=0.25,
            largest=[],
        )
        self.link(2.0, 2.0)
        self.say(
            "upstream_status",
            "api",
            True,
            dependency="payments",
            provider="primary",
            statuses={"200": 100},
            recent_error_ratio=0.0,
        )
        self.say("cache_health", "cache", True, reachable=True, ping_ms=0.3, memory_bytes=1_000_000, evictions=0)
        self.say("queue_depth", "worker", True, depth=1, oldest_s=0.4)
        self.say("warm_file", "api", True, path="/data/api/warm.json", exists=True, valid=True, bytes=900)
        self.say("release", "api", True, version="v1", weights={"v1": 100, "v2": 0}, previous="v1")

    def say(self, probe: str, service: str, ok: bool | None, **values: Any) -> World:
        """One reading; the same probe of the same service is replaced."""
        reading = Reading(probe=probe, service=service, time=NOW, ok=ok, values=values)
        self.readings[(probe, service, str(values.get("name", "")))] = reading
        return self

    def link(self, proxy_db: float | None, proxy_db_b: float | None, error: str = "") -> World:
        """Round trips of the two database routes in milliseconds; None with an error is dead."""
        routes = {
            name: {
                "host": "127.0.0.1",
                "port": 1,
                "connect_ms": 0.2,
                "roundtrip_ms": trip,
                "error": error if trip is None else "",
            }
            for name, trip in (("proxy-db", proxy_db), ("proxy-db-b", proxy_db_b))
        }
        ok = proxy_db is not None and proxy_db < 40
        return self.say("link_latency", "api", ok, routes=routes, current="proxy-db")

    def process(self, service: str, **values: Any) -> World:
        """Change the process reading of one service."""
        known = self.readings[("process_state", service, "")].values
        merged = {**known, **values}
        ok = merged["state"] == "running" and merged["os_state"] != "T"
        return self.say("process_state", service, ok, **merged)

    def users_fail(self, error: str = "status 503") -> World:
        """What users do fails from now on."""
        self.say("http_health", "frontend", False, name="order", status=503, ms=900, user_facing=True, error=error)
        return self.say(
            "http_health", "api", False, name="api-health", status=503, ms=900, user_facing=False, error=error
        )

    def log(self, service: str, message: str, times: int = 3, at: float = 10) -> World:
        """Log lines after the onset, the first of them `at` seconds ago."""
        self.logs += [
            LogLine(time=NOW - at + i / 10, service=service, message=message, level="ERROR") for i in range(times)
        ]
        return self

    def change(self, kind: Any, service: str, age_s: float = 60, version: str = "") -> World:
        """A recorded change, `age_s` seconds ago."""
        self.changes.append(
            Change(
                id=f"c{len(self.changes)}",
                kind=kind,
                service=service,
                version=version,
                time=datetime.fromtimestamp(NOW - age_s, tz=UTC),
            )
        )
        return self

    def metric(self, service: str, name: str, before: float, after: float) -> World:
        """A metric per second, level before and after the onset."""
        times = tuple(NOW - 300 + i for i in range(300))
        values = tuple((before if t < ONSET else after) * (1 + 0.01 * (int(t) % 3)) for t in times)
        self.series.append(Series(service=service, metric=name, times=times, values=values))
        return self

    def without(self, *probes: str) -> World:
        """Forget what these probes said."""
        self.readings = {k: r for k, r in self.readings.items() if k[0] not in probes}
        return self

    def bundle(self) -> Bundle:
        """Everything, as the engine takes it."""
        return Bundle(
            id="inc-1",
            alert=AlertHint(service="api", metric="error_ratio", started_at=ONSET + 15),
            onset=ONSET,
            normal=(NOW - 300, ONSET - 1),
            abnormal=(ONSET, NOW),
            services=tuple(SERVICES),
            edges=tuple(Edge(caller=a, callee=b) for a, b in EDGES),
            nodes=tuple(Node(name=n, kind=k) for n, k in SERVICES.items()),
            readings=tuple(self.readings.values()),
            logs=tuple(self.logs),
            changes=tuple(self.changes),
            series=tuple(self.series),
        )
