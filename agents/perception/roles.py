"""What a metric measures, read from its name: latency, errors, availability, traffic or saturation.

Conventions covered: Prometheus client libraries, OpenTelemetry HTTP and RPC, Micrometer, Datadog, CloudWatch (`latency|Average`),
node, postgres and redis exporters, Kubernetes usage metrics, and the short names of operations centres (`mrt`, `sr`, `tps`).
A name is read as words (`TargetResponseTime`, `http.server.request.duration` and `http_request_duration_seconds` alike); one that
fits none has role None and counts as a plain signal.
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
    (
        Role.AVAILABILITY,
        re.compile(
            r"availab|success_?(ratio|rate|percent|pct)|(^|_)(up|sr|rr)$|probe_success|uptime_ratio|(^|_)success$"
        ),
    ),
    (Role.SATURATION, re.compile(r"(pg|page_?)(maj_?)?fault|io_?wait|(^|_)load_?(1|5|15)m?$|throttl")),
    (
        Role.ERRORS,
        re.compile(
            r"(?<!int)(?<!transf)(?<!ref)(?<!def)err|5_?xx|4_?xx|429|fail|fault|reject|timeout|unauthori|exception|drop|refused"
        ),
    ),
    (
        Role.SATURATION,
        re.compile(
            r"cpu|(^|_)mem|memory|heap|disk|pool|(^|_)(hikari)?conn|connections|util|satur|queue|backlog|lag(_|$)|in_?flight|in_use|"
            r"threads|(^|_)fds?(_|$)|files?_open|open_files?|socket|(^|_)sess|(^|_)rss(_|$)|working_set|iops|(^|_)io(_|$)|fs_(read|write)|"
            r"busy|pending|waiting|(^|_)gc(_|$)"
        ),
    ),
    (
        Role.LATENCY,
        re.compile(
            r"latency|duration|p_?50|p_?9\d|quantile|resp(onse)?_?time|elapsed|network_?\(?p\d+|_seconds|_(ms|us|ns|usec|msec|nanos|"
            r"micros|millis)(_|$)|\(ms\)|wait|rtt|(^|_)m?rt(_|$)|(^|_)lat(_|$)|server_requests_(mean|avg|max)|time_taken|took"
        ),
    ),
    (
        Role.TRAFFIC,
        re.compile(
            r"request|rps|qps|tps|traffic|throughput|count|(^|_)cnt(_|$)|hits|invocation|bytes|receive|transmit|ops|load|calls"
        ),
    ),
)
_ROLLUP = re.compile(r"\|(Average|p\d+|Sum|Maximum|Minimum)$", re.I)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@lru_cache(maxsize=4096)
def words_of(metric: str) -> str:
    """The name in lower case, its words joined by underscores: `TargetResponseTime` is `target_response_time`."""
    return re.sub(r"[^a-z0-9%()|]+", "_", _CAMEL.sub("_", metric).lower())


@lru_cache(maxsize=4096)
def role_of(metric: str) -> Role | None:
    """The role that a metric's name suggests."""
    name, bare = words_of(_ROLLUP.sub("", metric)), words_of(metric.partition("{")[0])
    for role, pattern in _ROLES:
        if pattern.search(name) or (role is Role.AVAILABILITY and pattern.search(bare)):
            return role
    return None


@lru_cache(maxsize=4096)
def is_ratio(metric: str) -> bool:
    """True for shares (0–1 or 0–100)."""
    return bool(re.search(r"ratio|rate_?\(%\)|percent|pct|share|availab|success_rate|%", words_of(metric)))


@lru_cache(maxsize=4096)
def is_rate(metric: str) -> bool:
    """True for names that say "rate" without saying of what: a share where its values stay below one."""
    return bool(re.search(r"(^|_)rate(_|$|\|)", words_of(metric)))


@lru_cache(maxsize=4096)
def is_requests(metric: str) -> bool:
    """True where the metric counts requests (and not bytes or operations of the kernel)."""
    name = words_of(metric)
    return (
        bool(re.search(r"request|rps|qps|tps|calls|hits|invocation|load$|^(count|cnt)$", name)) and "byte" not in name
    )


@lru_cache(maxsize=4096)
def is_total(metric: str) -> bool:
    """True where the name, without its labels, promises a counter that only grows (Prometheus: `_total`, `_count`, `_sum`)."""
    return bool(re.search(r"_(total|count|sum)$", words_of(metric.partition("{")[0])))


@lru_cache(maxsize=4096)
def seen_by_caller(metric: str) -> bool:
    """True where the metric is measured at the caller: what the service waits for, not what it takes itself."""
    return bool(re.search(r"client|outbound|outgoing|upstream", words_of(metric)))


@lru_cache(maxsize=4096)
def fills_by_waiting(metric: str) -> bool:
    """True for resources that are held while somebody waits for a callee, and so say nothing of the holder's own work."""
    return bool(
        re.search(
            r"pool|conn|sess|socket|sock|thread|(^|_)fds?(_|$)|files?_open|open_files?|queue|backlog|lag(_|$)|in_?flight|"
            r"pending|waiting|busy",
            words_of(metric),
        )
    )
