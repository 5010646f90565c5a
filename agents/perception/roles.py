"""What a metric measures, read from its name: latency, errors, availability, traffic or saturation.

Conventions covered: Prometheus client libraries, OpenTelemetry HTTP and RPC, node, postgres and redis exporters, CloudWatch
(`latency|Average`), Kubernetes usage metrics. A name that fits none has role None and counts as a plain signal.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache


class Role(StrEnum):
    """The golden signals, with availability apart from errors because it points the other way."""

    LATENCY = "latency"
    ERRORS = "errors"
    AVAILABILITY = "availability"
    TRAFFIC = "traffic"
    SATURATION = "saturation"


_ROLES: tuple[tuple[Role, re.Pattern[str]], ...] = (
    (Role.AVAILABILITY, re.compile(r"availab|success_?(ratio|rate)|(^|_)up$|probe_success", re.I)),
    (Role.ERRORS, re.compile(r"err|5xx|4xx|429|fail|fault|reject|timeout|unauthori|exception|drop", re.I)),
    (
        Role.SATURATION,
        re.compile(
            r"cpu|mem|heap|disk|pool|conn|util|satur|queue|backlog|lag|inflight|in_use|threads|fd|iops|throttl|waiting",
            re.I,
        ),
    ),
    (
        Role.LATENCY,
        re.compile(
            r"latency|duration|p50|p9\d|quantile|response_?time|network(p\d+)|_seconds|_ms$|\(ms\)|wait|rtt", re.I
        ),
    ),
    (
        Role.TRAFFIC,
        re.compile(r"request|rps|qps|traffic|throughput|count|hits|invocation|bytes|receive|transmit|ops", re.I),
    ),
)
_ROLLUP = re.compile(r"\|(Average|p\d+|Sum|Maximum|Minimum)$", re.I)


@lru_cache(maxsize=4096)
def role_of(metric: str) -> Role | None:
    """The role that a metric's name suggests."""
    name = _ROLLUP.sub("", metric)
    for role, pattern in _ROLES:
        if pattern.search(name):
            return role
    return None


@lru_cache(maxsize=4096)
def is_ratio(metric: str) -> bool:
    """True for shares (0–1 or 0–100)."""
    return bool(re.search(r"ratio|rate\(%\)|percent|share|availab", metric, re.I))
