"""What the api measures beside its traffic."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from stack.shop.traffic import BUCKETS, TrafficMetrics


class ApiMetrics:
    """All series of the api."""

    def __init__(self, traffic: TrafficMetrics) -> None:
        registry = traffic.registry
        self.traffic = traffic
        self.pool_size = Gauge("db_pool_size", "Connections the pool may hold.", registry=registry)
        self.pool_open = Gauge("db_pool_open", "Connections the pool holds.", registry=registry)
        self.pool_in_use = Gauge("db_pool_in_use", "Connections lent to requests.", registry=registry)
        self.pool_waiting = Gauge("db_pool_waiting", "Requests waiting for a connection.", registry=registry)
        self.pool_timeouts = Counter("db_pool_timeouts", "Requests that got no connection in time.", registry=registry)
        self.query_seconds = Histogram(
            "db_query_duration_seconds", "Time of a query.", ["query"], buckets=BUCKETS, registry=registry
        )
        self.query_errors = Counter("db_query_errors", "Queries that failed.", ["query", "error"], registry=registry)
        self.upstream = Counter(
            "upstream_requests",
            "Calls of a dependency; status is its HTTP status, or timeout, refused, error.",
            ["dependency", "provider", "status"],
            registry=registry,
        )
        self.upstream_seconds = Histogram(
            "upstream_request_duration_seconds",
            "Time of a call of a dependency.",
            ["dependency"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.cache = Counter("cache_requests", "Catalogue look-ups.", ["result"], registry=registry)
        self.orders = Counter("orders", "Orders by outcome.", ["outcome"], registry=registry)
        self.disk_errors = Counter("disk_write_errors", "Writes to the data directory that failed.", registry=registry)
        self.disk_total = Gauge("disk_total_bytes", "Size of the data directory's file system.", registry=registry)
        self.disk_free = Gauge("disk_free_bytes", "Free bytes there.", registry=registry)
        self.reloaded = Gauge(
            "config_last_reload_success_timestamp_seconds", "When the configuration in use was read.", registry=registry
        )
        self.reloaded.set_to_current_time()
        self.queue_depth = Gauge("queue_depth_seen", "Jobs waiting when the last one was added.", registry=registry)
        self.release = Gauge("release_info", "Always 1.", ["version"], registry=registry)
