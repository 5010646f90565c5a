"""Metric roles by convention: which exposed name means traffic, errors, latency, saturation, freshness.

Follows the Prometheus client libraries and the OpenTelemetry HTTP conventions; `telemetry.roles` of the inventory
overrides. The short names below are what the rest of the house reads, whatever a system calls its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

from tools.telemetry.exposition import Labels

REQUEST_RATE = "request_rate"
"""Requests served, per second; also with a `route` or a `status` label."""
ERROR_RATE = "error_rate"
"""Requests answered with a server error, per second."""
ERROR_RATIO = "error_ratio"
"""Share of requests answered with a server error, over the last seconds; also per route."""
LATENCY_P50 = "latency_p50"
LATENCY_P95 = "latency_p95"
"""Seconds, over the last seconds; also per route."""
SATURATION = "saturation"
"""Share of the scarcest pool in use."""
FRESHNESS = "freshness_s"
"""Age in seconds of the oldest thing that should be done or seen regularly."""
DISK_USED = "disk_used_ratio"
PROBE_UP = "probe_up"
PROBE_MS = "probe_ms"
PROCESS_UP = "process_up"
CONFIG_RELOADED = "config_last_reload_success_timestamp_seconds"
"""Epoch seconds at which a process last read its configuration (the name Prometheus itself uses)."""
PROCESS_RESTARTS = "process_restarts"
SCRAPE_UP = "scrape_up"


class Role(StrEnum):
    """What a metric is about."""

    TRAFFIC = "traffic"
    ERRORS = "errors"
    LATENCY = "latency"
    POOL_USED = "pool_used"
    POOL_SIZE = "pool_size"
    SATURATION = "saturation"
    DISK_TOTAL = "disk_total"
    DISK_FREE = "disk_free"
    TIMESTAMP = "timestamp"
    AGE = "age"
    NONE = "none"
    NOISE = "noise"


SHORT: dict[str, Role] = {
    REQUEST_RATE: Role.TRAFFIC,
    ERROR_RATE: Role.ERRORS,
    ERROR_RATIO: Role.ERRORS,
    LATENCY_P50: Role.LATENCY,
    LATENCY_P95: Role.LATENCY,
    SATURATION: Role.SATURATION,
    FRESHNESS: Role.AGE,
    DISK_USED: Role.DISK_FREE,
}
"""Short name → the role of the exposed metrics that it was made from."""

ROUTE_LABELS = ("route", "http_route", "path", "handler", "endpoint", "uri")
STATUS_LABELS = ("status", "code", "status_code", "http_status_code", "http_response_status_code", "response_code")

_CLIENT = re.compile(r"client|upstream|outbound|outgoing|dependency|provider", re.I)
_POOL_USED = re.compile(r"pool.*(in_use|used|busy|checked_out|acquired|active)")
_RULES: tuple[tuple[Role, re.Pattern[str]], ...] = (
    (Role.NOISE, re.compile(r"(_created|_info)$|^(python|go|process_virtual|process_max|jvm_gc)_")),
    (
        Role.TRAFFIC,
        re.compile(r"^requests_total$|(^|_)(http|server|api|web|grpc)_(server_)?requests(_received)?_total$"),
    ),
    (
        Role.ERRORS,
        re.compile(r"(^|_)(http|server|api|request)_?(request_)?(errors|failures|exceptions)_total$"),
    ),
    (
        Role.LATENCY,
        re.compile(
            r"(^|_)(http_|server_|api_)?(request|requests|response)_?(server_)?(duration|latency|time)?_?(seconds|milliseconds|ms)$"
        ),
    ),
    (Role.DISK_TOTAL, re.compile(r"(disk|filesystem)_(total|size)_bytes$")),
    (Role.DISK_FREE, re.compile(r"(disk|filesystem)_(free|avail|available)_bytes$")),
    (Role.POOL_USED, _POOL_USED),
    (Role.POOL_SIZE, re.compile(r"pool.*(size|max|limit|capacity|maximum)")),
    (Role.TIMESTAMP, re.compile(r"(heartbeat|last_(success|run|processed|beat|seen|tick)).*(timestamp|time|seconds)")),
    (Role.AGE, re.compile(r"(queue|job|task|oldest|backlog|lag|heartbeat).*(age|oldest|lag|delay).*(seconds|_s)$")),
)


def role_of(name: str, overrides: Mapping[str, str]) -> Role:
    """The role of a metric family; `overrides` maps a role to the name that plays it, exclusively."""
    for role, chosen in overrides.items():
        if chosen == name and role in set(Role):
            counted = role == Role.SATURATION and _POOL_USED.search(name)
            return Role.POOL_USED if counted else Role(role)
    for role, pattern in _RULES:
        if pattern.search(name):
            if role.value in overrides or (role in _SERVED and _CLIENT.search(name)):
                return Role.NONE
            return role
    return Role.NONE


_SERVED = frozenset({Role.TRAFFIC, Role.ERRORS, Role.LATENCY})


def pick(labels: Labels, names: tuple[str, ...]) -> str:
    """The value of the first of these labels that is there, or an empty string."""
    found = dict(labels)
    return next((found[name] for name in names if name in found), "")


_HEALTH = re.compile(r"^/(-/)?(healthz?|health_check|readyz?|readiness|livez?|liveness|ping|metrics|status)/?$", re.I)


def is_health_route(route: str) -> bool:
    """Whether a route is asked by watchers and not by users; such requests would water down every ratio."""
    return _HEALTH.match(route) is not None


def is_server_error(status: str) -> bool:
    """Whether a status label says that the server failed (500–599, `5xx`, `error`)."""
    return status.startswith("5") or status.lower() in {"error", "failed", "failure"}


def named(metric: str, **labels: str) -> str:
    """A short name with labels, as the store writes it: `probe_up{probe="shop"}`."""
    inside = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
    return f"{metric}{{{inside}}}" if inside else metric


def plain(metric: str) -> str:
    """A stored metric's name without its labels."""
    return metric.partition("{")[0]
