"""How systems name and measure the same things: metric names, units of time, counters or rates, shares or percentages.

Each convention is one that a public data set or a common exporter uses, so that no engine can be fitted to a single one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Convention:
    """Names by kind of measurement; what a convention does not measure it does not name."""

    name: str
    names: Mapping[str, str]
    per_second: float = 1.0
    """Units of time in a second: 1, 1e3 (ms), 1e6 (µs), 1e9 (ns)."""
    counters: frozenset[str] = field(default_factory=frozenset[str])
    """Kinds told as ever growing totals."""
    percent: bool = False
    """Shares as 0–100 instead of 0–1."""


CONVENTIONS: tuple[Convention, ...] = (
    Convention(
        name="terse",
        names={"latency": "latency-50", "tail": "latency-90", "traffic": "workload", "errors": "error", "cpu": "cpu",
               "memory": "mem", "disk": "diskio", "sockets": "socket"},
    ),
    Convention(
        name="mesh and cadvisor",
        names={"tail": "istio_request_duration_milliseconds_p95", "latency": "istio_request_duration_milliseconds_p50",
               "traffic": "istio_requests_total", "failed": "istio_requests_failed_total",
               "cpu": "container_cpu_usage_seconds_total", "memory": "container_memory_working_set_bytes",
               "disk": "container_fs_writes_bytes_total", "sockets": "container_sockets"},
        per_second=1e3, counters=frozenset({"traffic", "failed", "cpu", "disk"}),
    ),
    Convention(
        name="micrometer",
        names={"latency": "http.server.requests.mean", "tail": "http.server.requests.max", "traffic": "http.server.requests.count",
               "errors": "http.server.requests.error.ratio", "cpu": "process.cpu.usage", "memory": "jvm.memory.used",
               "pool": "hikaricp.connections.active", "waiting": "hikaricp.connections.pending", "sockets": "process.files.open"},
    ),
    Convention(
        name="operations centre",
        names={"latency": "mrt", "traffic": "count", "success": "sr", "cpu": "container_cpu_used", "memory": "container_mem_used",
               "disk": "disk_io_util", "sockets": "sess_connect"},
        per_second=1e3, percent=True,
    ),
    Convention(
        name="home-grown",
        names={"latency": "rt_us", "traffic": "tps", "errors": "err_pct", "cpu": "load1", "memory": "rss", "disk": "iowait",
               "sockets": "fds", "pool": "db_busy"},
        per_second=1e6, percent=True,
    ),
    Convention(
        name="otel in nanoseconds",
        names={"latency": "rpc.server.duration.avg", "tail": "rpc.server.duration.p99", "traffic": "rpc.server.request.rate",
               "failed": "rpc.server.failures", "cpu": "k8s.pod.cpu.utilization", "memory": "k8s.pod.memory.usage",
               "disk": "system.disk.io", "sockets": "system.network.connections"},
        per_second=1e9,
    ),
)  # fmt: skip
