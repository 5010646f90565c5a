"""Runs over a real Redis: restarts, take-over by a second runner, a server that was away, and the app's services."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from domain.action import Verdict
from domain.conditions import Condition
from domain.errors import ConfigError
from domain.guard import ApprovalStatus
from domain.incident import IncidentStatus
from graph.bootstrap import build_house, open_services
from graph.checkpoint.redis import RedisSaver
from graph.settings import Settings
from tests.fakes.house import House
from tests.fakes.redis_server import running_redis
from tests.fakes.responder import all_closed, responder, until
from tests.fakes.world import INVENTORY, World

pytestmark = pytest.mark.integration
PAUSED = (Condition.PROCESS_PAUSED, "api")
BODY = json.dumps([{}]).encode()


@pytest.fixture
def redis_url() -> Iterator[str]:
    with running_redis() as url:
        yield url


@pytest.fixture
async def savers(redis_url: str) -> AsyncIterator[tuple[RedisSaver, RedisSaver]]:
    """Two processes' clients of one server; closed whatever becomes of the test."""
    pair = RedisSaver(redis_url), RedisSaver(redis_url)
    try:
        yield pair
    finally:
        for saver in pair:
            await saver.aclose()


def asking(saver: RedisSaver) -> House:
    wrong: dict[Any, Any] = {PAUSED: {}}
    return House(
        World(wrong=wrong, mends={"resume_process api"}), verdicts={"resume_process": Verdict.ASK}, saver=saver
    )


async def test_a_restarted_app_takes_its_threads_over(tmp_path: Path, savers: tuple[RedisSaver, RedisSaver]) -> None:
    """The old runner is gone without giving its lease back; the new one of the same home goes on at once."""
    old, new = savers
    house = asking(old)
    async with responder(house, tmp_path, leases=old) as runner:
        await runner.submit_delivery("generic", {}, BODY)
        (waiting,) = await until(runner, lambda found: bool(found) and found[0].status is IncidentStatus.WAITING)
    assert await old.acquire(waiting.id, "app", 60) is not None
    house.guard.answer(next(iter(house.guard.open)), ApprovalStatus.APPROVED)
    house.saver = new
    async with responder(house, tmp_path, leases=new) as runner:
        (incident,) = await until(runner, all_closed)
    assert (incident.outcome, house.world.effects) == ("mitigated", ["resume_process api"])


async def test_only_one_runner_works_on_a_thread(tmp_path: Path, savers: tuple[RedisSaver, RedisSaver]) -> None:
    """A second runner with another name waits while the lease runs, and repeats nothing."""
    mine, theirs = savers
    house = asking(mine)
    house.guard.verdicts.clear()
    async with responder(house, tmp_path, leases=mine) as runner:
        await runner.submit_delivery("generic", {}, BODY)
        (incident,) = await until(runner, all_closed)
    async with asyncio.timeout(10):
        while await theirs.acquire(incident.id, "other", 60) is None:
            await asyncio.sleep(0.1)
    assert await mine.acquire(incident.id, "app", 60) is None
    assert house.world.effects == ["resume_process api"]


@pytest.mark.parametrize("with_redis", [True, False])
async def test_the_house_opens_without_its_neighbours(tmp_path: Path, redis_url: str, with_redis: bool) -> None:
    """No action server, no collector: the app opens, says what is missing, and closes cleanly."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "agent.token").write_text("t")
    settings = Settings(home=tmp_path, redis_url=SecretStr(redis_url) if with_redis else None)
    env = {"FIREBREAK_ACTION_URL": "http://127.0.0.1:9"}
    async with open_services(settings, INVENTORY, env, root=tmp_path) as house:
        health = await house.responder.health()
    assert {name: row["ok"] for name, row in health.items()} == {
        "store": True,
        "checkpoints": True,
        "action_server": False,
        "telemetry": False,
        "model": True,
        "alertmanager": True,
    }
    assert health["checkpoints"]["detail"] == ("redis" if with_redis else "sqlite")


@pytest.mark.parametrize("env", [{}, {"FIREBREAK_ACTION_URL": "http://127.0.0.1:9"}])
def test_what_is_missing_is_said(tmp_path: Path, env: dict[str, str]) -> None:
    """Without the action server's URL or the agent's token there is no app."""
    with pytest.raises(ConfigError):
        build_house(Settings(home=tmp_path), INVENTORY, env, root=tmp_path)
