"""Small pure parts: backoff, quota, jobs, intake, changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.problem import ProblemError
from stack.shop.queue import Job, parse_job, retry_after
from stack.shop.quota import TokenBucket
from stack.supervisor import backoff, intake, settled, traffic
from stack.supervisor.changes import Changes, redacted_diff


def test_backoff_doubles_and_ends() -> None:
    """Delays double from half a second and stop growing at fifteen."""
    assert [backoff.delay(n) for n in range(1, 8)] == [0.5, 1, 2, 4, 8, 15, 15]
    assert backoff.delay(10_000) == 15


def test_steady_process_counts_anew() -> None:
    """A crash after a long life is the first in a row."""
    assert backoff.failures_after(7, uptime_s=60) == 1
    assert backoff.failures_after(7, uptime_s=1) == 8


@given(st.lists(st.floats(0, 0.5), max_size=200), st.integers(1, 20), st.integers(1, 30))
def test_quota_is_never_exceeded(gaps: list[float], rate: int, burst: int) -> None:
    """Whatever the rhythm, no more is granted than the burst and the rate allow, and a refusal costs nothing."""
    bucket, now, granted = TokenBucket.full(rate, burst, 0.0), 0.0, 0
    for gap in gaps:
        now += gap
        wait = bucket.take(now)
        granted += wait == 0
        assert wait >= 0
    assert granted <= burst + rate * now + 1e-6


def test_job_round_trip() -> None:
    """A job comes out of the queue as it went in; what is no job is refused."""
    job = Job(order_id="o", kind="charge", amount_cents=3, enqueued_at=1.0)
    assert parse_job(json.dumps(job.row())) == job
    for raw in ("x", "[]", "{}", json.dumps(job.row() | {"kind": "rm"})):
        with pytest.raises(ValueError):
            parse_job(raw)
    assert [retry_after(n) for n in (0, 1, 5, 99)] == [1, 2, 30, 30]


def test_release_wishes() -> None:
    """Without weights all traffic goes to the version; a version without traffic is refused."""
    assert intake.release({"version": "v2"}) == ("v2", {"v1": 0, "v2": 100})
    for body in (
        {},
        {"version": "v3"},
        {"version": "v1", "weights": {"v1": 0, "v2": 1}},
        {"version": "v1", "weights": 3},
    ):
        with pytest.raises(ProblemError):
            intake.release(body)


@pytest.mark.parametrize("body", [{"deploy": True}, {"marker": "deploy"}, {"kind": "deploy"}])
def test_deploy_marker(body: dict[str, object]) -> None:
    """A restart may say in any of three ways that it is a deploy."""
    assert intake.restart(body).deploy is True
    assert intake.restart({}).deploy is False


def test_changes_keep_order_and_survive_a_torn_line(tmp_path: Path) -> None:
    """Records are appended, and a half-written line loses only itself."""
    changes = Changes(tmp_path / "changes.jsonl")
    changes.append("deploy", "api", "one")
    with (tmp_path / "changes.jsonl").open("a") as stream:
        stream.write('{"torn\n')
    changes.append("flag", "api", "two")
    assert [row["summary"] for row in changes.read()] == ["one", "two"]


def test_diff_covers_secrets() -> None:
    """A diff shows that a secret changed and never what it was."""
    found = redacted_diff("A=1\nAPI_KEY=old\n", "A=2\nAPI_KEY=new\n", "api.env")
    assert "+A=2" in found
    assert "old" not in found
    assert "new" not in found


def test_settled_round_trip(tmp_path: Path) -> None:
    """Decisions are read as they were written; nonsense means defaults."""
    path = tmp_path / "settled.json"
    wanted = settled.Settled(release=settled.Release(version="v2", previous="v1", weights={"v1": 0, "v2": 100}))
    settled.write(path, wanted.with_stopped("worker", True))
    assert settled.read(path) == wanted.with_stopped("worker", True)
    path.write_text("{")
    assert settled.read(path) == settled.Settled()


PORTS = {"api": 1, "api-v2": 2}


@pytest.mark.parametrize(
    ("release", "only", "given"),
    [
        (settled.Release(), None, {1: 100}),
        (settled.Release(version="v2", weights={"v1": 0, "v2": 100}), None, {1: 100}),
        (settled.Release(weights={"v1": 90, "v2": 10}), None, {1: 90, 2: 10}),
        (settled.Release(weights={"v1": 90, "v2": 10}), "api-v2", {2: 100}),
    ],
)
def test_requests_go_by_the_releases_weights(release: settled.Release, only: str | None, given: dict[int, int]) -> None:
    """One version alone is served by the main process, whichever it is; a split names both."""
    assert {int(row["port"]): row["weight"] for row in traffic.backends(PORTS, release, only)} == given
