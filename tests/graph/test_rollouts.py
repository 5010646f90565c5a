"""Rollouts of the app: one per service, watched to their end, taken up after a restart, stopped by a person."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from contracts.enforcement.rollout import Rollout, RolloutStatus
from domain.bundle import Reading
from domain.contract import Canary, ContractStatus
from domain.errors import ConfigError, ConflictError, NotFoundError
from graph.checkpoint.lease import ProcessLeases
from graph.contracts.rollouts import Rollouts
from graph.contracts.yard import serving_version
from tests.fakes.rollouts import Site

AT_ONCE = Canary(required=False)


def of(site: Site) -> Rollouts:
    async def serving(service: str) -> str:
        await asyncio.sleep(0)
        return await site.serving(service)

    return Rollouts(site.yard(), site.folder, ProcessLeases(), "app", serving, site)


async def ended(rollouts: Rollouts, rollout: Rollout) -> Rollout:
    """The manual clock moves on by itself: every pause of the watcher advances it."""
    async with asyncio.timeout(60):
        while not rollouts.get(rollout.id).status.ended:
            await asyncio.sleep(0.01)
    return rollouts.get(rollout.id)


async def test_a_rollout_is_watched_to_its_end_and_only_one_at_a_time(tmp_path: Path) -> None:
    """Begun, listed, a second one refused meanwhile, ended; the ledger knows who began it."""
    site = Site(tmp_path)
    rollouts = of(site)
    begun = await rollouts.submit(site.order(canary=AT_ONCE), "maria")
    with pytest.raises(ConflictError, match="under way"):
        await rollouts.submit(site.order(canary=AT_ONCE), "maria")
    assert (await ended(rollouts, begun)).status is RolloutStatus.FULFILLED
    assert [r.id for r in rollouts.all()] == [begun.id]
    assert site.notes[0] == {
        "kind": "rollout",
        "change": begun.id,
        "event": "deployed",
        "by": "maria",
        "stages": [{"percent": 100.0, "seconds": 60.0}],
    }
    async with asyncio.timeout(10):
        while len(site.outcomes) < 2:
            await asyncio.sleep(0.01)
    assert site.outcomes == [("con-1", ContractStatus.DEPLOYED), ("con-1", ContractStatus.FULFILLED)]
    await rollouts.close()


async def test_of_four_requests_at_once_one_begins(tmp_path: Path) -> None:
    """Checking takes a while; whoever comes meanwhile waits, and finds the first one under way."""
    rollouts = of(Site(tmp_path))
    orders = (Site(tmp_path).order(canary=AT_ONCE) for _ in range(4))
    found = await asyncio.gather(*(rollouts.submit(order, "maria") for order in orders), return_exceptions=True)
    assert [type(one) for one in found].count(ConflictError) == 3
    assert len(rollouts.all()) == 1
    await rollouts.close()


async def test_a_rollout_that_was_left_alone_is_taken_up_again(tmp_path: Path) -> None:
    """After close and start it goes on, and a bad version is still taken back."""
    site = Site(tmp_path, failing=0.5)
    first = of(site)
    begun = await first.submit(site.order(canary=AT_ONCE), "maria")
    await first.close()
    assert not first.get(begun.id).status.ended
    second = of(site)
    await second.start()
    assert (await ended(second, begun)).status is RolloutStatus.ROLLED_BACK
    with pytest.raises(ConflictError):
        await second.stop(begun.id, "maria", "too late")
    await second.close()


async def test_a_person_stops_a_rollout(tmp_path: Path) -> None:
    """Whatever the judge says; nobody can stop what is not there."""
    site = Site(tmp_path)
    rollouts = of(site)
    begun = await rollouts.submit(site.order(canary=AT_ONCE), "maria")
    await rollouts.stop(begun.id, "jo", "customers call")
    found = await ended(rollouts, begun)
    assert found.status is RolloutStatus.ROLLED_BACK
    assert found.explanation[0] == "taken back by a person: jo: customers call"
    with pytest.raises(NotFoundError):
        await rollouts.stop("dep-0", "jo", "why not")
    with pytest.raises(ConfigError):
        await rollouts.submit(site.order(service="nobody"), "jo")
    await rollouts.close()


async def test_a_release_that_somebody_else_took_back_is_not_given_out_again(tmp_path: Path) -> None:
    """An incident's way back, or a person's: the rollout ends, verified, and says so."""
    site = Site(tmp_path)
    rollouts = of(site)
    begun = await rollouts.submit(site.order(), "maria")
    async with asyncio.timeout(60):
        while site.share != 10.0:
            await asyncio.sleep(0.001)
    site._give(0.0, "by hand")
    found = await ended(rollouts, begun)
    assert found.status is RolloutStatus.ROLLED_BACK
    assert found.explanation[0] == "somebody gave all requests back to v1 meanwhile"
    assert "promote_release 100" not in site.calls
    await rollouts.close()


class Probed:
    """What the probe `release` says."""

    def __init__(self, **values: object) -> None:
        self.readings = [Reading(probe="release", service="api", time=0.0, ok=True, values=values)] if values else []

    def names(self) -> list[str]:
        return ["release"]

    async def run(self, names: object = None, services: object = None) -> list[Reading]:
        return self.readings


async def test_the_version_that_serves_is_clear_or_nothing_begins() -> None:
    """While the traffic is split, or when nobody can tell, there is no version to go back to."""
    assert await serving_version(Probed(version="v1", weights={"v1": 100, "v2": 0}), "api") == "v1"
    assert await serving_version(Probed(version="v3", weights={}), "api") == "v3"
    for probed in (Probed(version="v2", weights={"v1": 50, "v2": 50}), Probed(version=None, weights={}), Probed()):
        with pytest.raises(ConflictError):
            await serving_version(probed, "api")
