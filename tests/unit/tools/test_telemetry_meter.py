"""From exposition text to points: rates, quantiles, ratios, roles."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.telemetry import exposition
from tools.telemetry.meter import Meter, quantile
from tools.telemetry.roles import Role, is_health_route, role_of


def page(requests: int, failed: int, buckets: tuple[int, int, int] = (0, 0, 0), more: str = "") -> str:
    fast, medium, total = buckets
    return f"""# TYPE http_requests_total counter
http_requests_total{{route="/buy",status="200"}} {requests}
http_requests_total{{route="/buy",status="503"}} {failed}
http_requests_total{{route="/healthz",status="200"}} {requests * 50}
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{{route="/buy",le="0.1"}} {fast}
http_request_duration_seconds_bucket{{route="/buy",le="1.0"}} {medium}
http_request_duration_seconds_bucket{{route="/buy",le="+Inf"}} {total}
http_request_duration_seconds_sum{{route="/buy"}} 1
http_request_duration_seconds_count{{route="/buy"}} {total}
# TYPE python_gc_objects gauge
python_gc_objects 3
{more}"""


def test_counters_become_rates_and_ratios_of_users() -> None:
    """Health checks do not water down what users see."""
    meter = Meter()
    assert "request_rate" not in meter.read(100, page(10, 0))
    found = meter.read(102, page(16, 2))
    assert found["request_rate"] == 4
    assert found["error_rate"] == 1
    assert found["error_ratio"] == 0.25
    assert found['request_rate{status="503"}'] == 1
    assert found['request_rate{route="/healthz"}'] == 150
    assert "python_gc_objects" not in found


def test_a_restart_counts_from_zero() -> None:
    """A counter that fell was reset: its value is the increment."""
    meter = Meter()
    meter.read(100, page(1000, 9))
    assert meter.read(101, page(3, 0))["request_rate"] == 3


def test_the_first_error_counts() -> None:
    """A label that appears with its first increment started at zero."""
    meter = Meter()
    meter.read(100, 'http_requests_total{status="200"} 5\n')
    found = meter.read(101, 'http_requests_total{status="200"} 5\nhttp_requests_total{status="500"} 1\n')
    assert found["error_rate"] == 1


def test_quantiles_over_the_last_seconds_only() -> None:
    """Old observations leave the window; without new ones there is nothing to say."""
    meter = Meter()
    meter.read(100, page(0, 0, (0, 0, 0)))
    fast = meter.read(101, page(0, 0, (100, 100, 100)))
    assert fast["latency_p95"] == pytest.approx(0.095)
    meter.read(103, page(0, 0, (100, 100, 100)))
    slow = meter.read(106, page(0, 0, (100, 110, 110)))
    assert 0.1 < slow["latency_p50"] <= 1.0
    assert "latency_p50" not in meter.read(112, page(0, 0, (100, 110, 110)))


def test_pools_disks_ages_and_timestamps() -> None:
    """Saturation is the scarcest pool; freshness the oldest thing."""
    more = """db_pool_size 5
db_pool_in_use 4
http_pool_max{name="x"} 10
http_pool_active{name="x"} 9
disk_total_bytes 100
disk_free_bytes 25
queue_oldest_age_seconds 7
worker_heartbeat_timestamp_seconds 1999999990
"""
    found = Meter().read(2_000_000_000, page(0, 0, more=more))
    assert found["saturation"] == 0.9
    assert found["disk_used_ratio"] == 0.75
    assert found["freshness_s"] == 10


def test_overrides_of_the_inventory_win() -> None:
    """A role may be played by any name; the conventional one then plays it no more."""
    overrides = {"traffic": "odd_hits_total", "saturation": "db_pool_in_use", "latency": "odd_seconds"}
    assert role_of("odd_hits_total", overrides) is Role.TRAFFIC
    assert role_of("http_requests_total", overrides) is Role.NONE
    assert role_of("db_pool_in_use", overrides) is Role.POOL_USED
    meter = Meter({"traffic": "odd_hits_total", "latency": "odd_seconds", "saturation": "busy_ratio"})
    text = "# TYPE odd_seconds gauge\nodd_seconds 0.5\nodd_hits_total 4\nbusy_ratio 0.7\n"
    meter.read(1, text)
    found = meter.read(2, text)
    assert (found["latency_p95"], found["request_rate"], found["saturation"]) == (0.5, 0, 0.7)


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("http_requests_total", Role.TRAFFIC),
        ("shop_http_requests_total", Role.TRAFFIC),
        ("requests_total", Role.TRAFFIC),
        ("upstream_requests_total", Role.NONE),
        ("cache_requests_total", Role.NONE),
        ("http_errors_total", Role.ERRORS),
        ("http_request_duration_seconds", Role.LATENCY),
        ("http_server_request_duration_seconds", Role.LATENCY),
        ("http_client_request_duration_seconds", Role.NONE),
        ("db_query_duration_seconds", Role.NONE),
        ("process_cpu_seconds_total", Role.NONE),
        ("go_info", Role.NOISE),
    ],
)
def test_roles_by_convention(name: str, role: Role) -> None:
    """Served traffic has a role, what a service asks of others has none."""
    assert role_of(name, {}) is role


def test_errors_without_status_labels() -> None:
    """A counter of errors serves where requests carry no status."""
    meter = Meter()
    meter.read(1, "http_requests_total 10\nhttp_errors_total 0\n")
    found = meter.read(2, "http_requests_total 20\nhttp_errors_total 5\n")
    assert found["error_ratio"] == 0.5


def test_lines_that_are_odd() -> None:
    """Timestamps, escapes, comments, infinities and garbage."""
    text = 'a{x="1 2"} 3 1700000000000\nb 4 1700000000000\nc{q="\\"\\\\n\\n"} 5\n# HELP d\nd +Inf\n\nnonsense\ne oops\n f 1\n'
    found = dict(exposition.samples(text))
    assert found['a{x="1 2"}'] == 3
    assert found["b"] == 4
    assert found["d"] == float("inf")
    key = exposition.series_key('c{q="\\"\\\\n\\n"}')
    assert key is not None
    assert dict(key.labels) == {"q": '"\\n\n'}
    assert exposition.series_key("1abc") is None


def test_a_silent_endpoint_empties_the_windows() -> None:
    """After a failed scrape no old latency is told again."""
    meter = Meter()
    meter.read(100, page(0, 0))
    meter.read(101, page(5, 0, (5, 5, 5)))
    meter.forget()
    assert "latency_p95" not in meter.read(102, page(5, 0, (5, 5, 5)))


@pytest.mark.parametrize(
    ("route", "health"),
    [("/healthz", True), ("/-/ready", True), ("/metrics", True), ("/healthcare", False), ("/", False)],
)
def test_health_routes(route: str, health: bool) -> None:
    """Only what watchers ask counts as such."""
    assert is_health_route(route) is health


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=20))
def test_rates_are_never_negative(values: list[float]) -> None:
    """Whatever a counter does, a rate is zero or more, and growth is told exactly."""
    meter = Meter()
    rates = [meter.read(100.0 + i, f"x_total {v!r}\n").get("x_total") for i, v in enumerate(values)]
    assert rates[0] is None
    for (before, after), rate in zip(pairwise(values), rates[1:], strict=True):
        assert rate is not None
        assert rate >= 0
        if after >= before:
            assert rate == pytest.approx(after - before)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=6), st.floats(0, 1), st.floats(0, 1))
def test_quantiles_are_monotone_and_inside(counts: list[int], p: float, q: float) -> None:
    """A higher quantile is never lower, and stays within the finite bounds."""
    bounds = [float(i + 1) for i in range(len(counts) - 1)] + [float("inf")]
    total, cumulative = 0, {}
    for bound, count in zip(bounds, counts, strict=True):
        total += count
        cumulative[bound] = float(total)
    low, high = quantile(min(p, q), cumulative), quantile(max(p, q), cumulative)
    if total == 0:
        assert low is high is None
    else:
        assert low is not None
        assert high is not None
        assert 0 <= low <= high <= bounds[-2]
