"""The vigil: what was mended and breaks again is noticed without a second alert."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from domain.conditions import Condition
from domain.incident import Incident, IncidentStatus
from graph import vigil
from graph.runner import IncidentRunner
from tests.fakes.house import House
from tests.fakes.responder import all_closed, responder, until
from tests.fakes.world import World

PAUSED = (Condition.PROCESS_PAUSED, "api")
BODY = json.dumps([{}]).encode()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks follow each other at once."""
    monkeypatch.setattr(vigil, "EVERY_S", 0.01)


def paused() -> House:
    return House(World(wrong={PAUSED: {}}, mends={"resume_process api"}))


async def mended(runner: IncidentRunner) -> Incident:
    """The first incident, resolved."""
    await runner.submit_delivery("generic", {}, BODY)
    (incident,) = await until(runner, all_closed)
    assert incident.status is IncidentStatus.RESOLVED
    return incident


async def test_a_mended_service_that_breaks_again_is_opened_again_without_an_alert(tmp_path: Path) -> None:
    """The pager still fires and says nothing; users are looked at, a new run refers to the old one and mends it."""
    house = paused()
    async with responder(house, tmp_path) as runner:
        first = await mended(runner)
        house.world.wrong[PAUSED] = {}
        rows = await until(runner, lambda found: len(found) == 2 and all_closed(found))
        second = next(i for i in rows if i.id != first.id)
        assert (second.reopens, second.status) == (first.id, IncidentStatus.RESOLVED)
        said = next(e.text for e in second.timeline if e.event == "incident.reopened")
        assert said.startswith(f"{vigil.BY} re-opened {first.id}: users are not served again")


async def test_users_who_are_served_open_nothing(tmp_path: Path) -> None:
    """A cure that holds stays closed."""
    async with responder(paused(), tmp_path) as runner:
        await mended(runner)
        await asyncio.sleep(0.2)
        assert len((await runner.incidents()).incidents) == 1


async def test_an_old_cure_is_not_watched(tmp_path: Path) -> None:
    """After ten minutes what breaks is the pager's."""
    house = paused()
    async with responder(house, tmp_path) as runner:
        await mended(runner)
        house.clock.advance(vigil.WATCH / timedelta(seconds=1) + 1)
        house.world.wrong[PAUSED] = {}
        await asyncio.sleep(0.2)
        assert len((await runner.incidents()).incidents) == 1
