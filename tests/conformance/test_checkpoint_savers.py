"""Both savers against the official suite, and the lease that only ours has."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.conformance.initializer import RegisteredCheckpointer
from langgraph.checkpoint.conformance.validate import validate

from domain.errors import LeaseLostError
from graph.checkpoint.redis import RedisSaver
from graph.checkpoint.sqlite import open_sqlite_saver
from tests.fakes.redis_server import running_redis

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with running_redis() as url:
        yield url


async def test_redis_saver_passes_the_official_suite(redis_url: str) -> None:
    """All base and all extended capabilities hold on core commands."""

    async def factory() -> AsyncGenerator[BaseCheckpointSaver[Any], None]:
        saver = RedisSaver(redis_url)
        yield saver
        await saver.aclose()

    report = await validate(RegisteredCheckpointer(name="redis", factory=factory))
    assert {name: r.failures for name, r in report.results.items() if not r.passed} == {}
    assert sum(r.tests_passed for r in report.results.values()) >= 81


async def test_sqlite_saver_passes_the_official_suite(tmp_path: Path) -> None:
    """The base capabilities hold for the library's saver with our strict serializer."""

    async def factory() -> AsyncGenerator[BaseCheckpointSaver[Any], None]:
        async with open_sqlite_saver(tmp_path / "checkpoints.db") as saver:
            yield saver

    report = await validate(RegisteredCheckpointer(name="sqlite", factory=factory))
    assert {name: r.failures for name, r in report.results.items() if r.detected and not r.passed} == {}


async def test_a_newer_runner_fences_the_older_one_out(redis_url: str) -> None:
    """A write with a stale token is refused in the saver's own transaction."""
    old, new = RedisSaver(redis_url), RedisSaver(redis_url)
    config: Any = {"configurable": {"thread_id": "fenced", "checkpoint_ns": ""}}
    try:
        assert await old.acquire("fenced", "app", 30) is not None
        stored = await old.aput(config, _checkpoint("1"), {"source": "loop", "step": 0}, {})
        assert await new.acquire("fenced", "another", 30) is None
        lease = await new.acquire("fenced", "app", 30)
        assert lease is not None
        with pytest.raises(LeaseLostError):
            await old.aput(config, _checkpoint("2"), {"source": "loop", "step": 1}, {})
        with pytest.raises(LeaseLostError):
            await old.aput_writes(stored, [("x", 1)], "task")
        with pytest.raises(LeaseLostError):
            old.put(config, _checkpoint("3"), {"source": "loop", "step": 1}, {})
        with pytest.raises(LeaseLostError):
            await old.check("fenced")
        await new.check("fenced")
        await new.renew(lease, 30)
        await new.aput(config, _checkpoint("4"), {"source": "loop", "step": 1}, {})
        await new.release(lease)
        assert await old.acquire("fenced", "another", 30) is not None
    finally:
        await old.aclose()
        await new.aclose()


async def test_a_lease_ends_by_itself(redis_url: str) -> None:
    """Another holder gets the thread once the lease ran out."""
    saver = RedisSaver(redis_url)
    try:
        assert await saver.acquire("short", "one", 0.001) is not None
        for _ in range(1000):
            if await saver.acquire("short", "two", 30) is not None:
                break
        else:
            pytest.fail("the lease did not end")
    finally:
        await saver.aclose()


def _checkpoint(number: str) -> Any:
    return {
        "v": 1,
        "id": f"0000-{number}",
        "ts": "2026-01-01T00:00:00+00:00",
        "channel_values": {},
        "channel_versions": {},
        "versions_seen": {},
        "updated_channels": None,
    }
