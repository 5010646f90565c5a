"""Rehearsals: a criterion that cannot fail, a cure that does not cure and a rollback that brings nothing back are found."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from domain.bundle import Reading
from domain.conditions import Condition
from domain.errors import ConflictError
from graph.checkpoint.lease import ProcessLeases
from graph.checkpoint.serde import strict_serde
from graph.skills.rehearsals import Rehearsals
from graph.skills.runner import SkillRunner
from skills.rehearsal import Rehearsal
from skills.store import Trust
from skills.trust import trust_of
from tests.fakes.breaker import Breaker, breaking
from tests.fakes.world import World, WorldProbes
from tests.unit.skills.trial import PAUSED, POOL, RESUME, SERVED, STATE, Trial

HOT = (Condition.POOL_SATURATED, "api")


def with_faults(skill: dict[str, Any], *faults: str, **more: Any) -> dict[str, Any]:
    return {**skill, **more, "metadata": {**skill["metadata"], "fault_classes": list(faults)}}


async def rehearsed(trial: Trial, breaker: Breaker | None, *, hands_off: bool = True) -> Rehearsal:
    runner = SkillRunner(trial.bench, ProcessLeases(), "app")
    await runner.start(InMemorySaver(serde=strict_serde()))
    rehearsals = Rehearsals(runner, breaker, hands_off=hands_off)
    try:
        begun = await rehearsals.start("paused-process")
        async with asyncio.timeout(20):
            while rehearsals.get(begun.id).ended_at is None:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0)
        return rehearsals.get(begun.id)
    finally:
        await rehearsals.close()
        await runner.close()


def trust(trial: Trial) -> Trust:
    return trust_of(trial.bench.shelf.procedure("paused-process")[0], trial.bench.store)


async def test_a_cure_that_cures(tmp_path: Path) -> None:
    """Its criteria failed on the broken system and hold after the run; the fault is lifted; it counts as rehearsed."""
    world = World(mends={"resume_process api"})
    trial = Trial(tmp_path, world, skill=with_faults(RESUME, "hang"))
    breaker = Breaker(world, {"hang": breaking(PAUSED)})
    found = await rehearsed(trial, breaker)
    assert found.passed, found
    assert found.faults[0].discriminates == {"fine": True}
    assert breaker.lifted == ["lease-hang"]
    assert trust(trial) is Trust.REHEARSED
    assert trial.bench.store.run(found.faults[0].run).rehearsal == found.id


async def test_a_criterion_that_does_not_fail_on_a_broken_system_is_found(tmp_path: Path) -> None:
    """Mutation-tested against the fault: it reads the same, so it proves nothing."""
    deaf = {"name": "deaf", "probe": "state", "service": "postgres", "expect": {"ok": True}}
    world = World(mends={"resume_process api"})
    skill = with_faults(RESUME, "hang", success_criteria=[*RESUME["success_criteria"], deaf])
    trial = Trial(tmp_path, world, skill=skill)
    found = await rehearsed(trial, Breaker(world, {"hang": breaking(PAUSED)}))
    assert found.faults[0].problems == ["deaf reads the same with and without hang"]
    assert trust(trial) is Trust.DRAFT


async def test_a_cure_that_does_not_cure_is_found(tmp_path: Path) -> None:
    """And is not put in quarantine for it: rehearsals are where one may fail."""
    world = World()
    trial = Trial(tmp_path, world, skill=with_faults(RESUME, "hang"))
    found = await rehearsed(trial, Breaker(world, {"hang": breaking(PAUSED)}))
    assert "failed" in found.faults[0].problems[0]
    assert trust(trial) is Trust.DRAFT


@pytest.mark.parametrize("refused", [False, True])
async def test_a_rollback_must_bring_the_state_back(refused: bool, tmp_path: Path) -> None:
    """The guard compares the declared state; what it could not bring back is a problem."""
    world = World(mends={"scale_pool api"})
    trial = Trial(tmp_path, world, skill=with_faults(POOL, "hot"))
    trial.guard.refuses_undo = refused
    undo = world.undo

    def undone(call: Any) -> None:
        undo(call)
        world.wrong[HOT] = {}

    world.undo = undone  # type: ignore[method-assign]
    found = await rehearsed(trial, Breaker(world, {"hot": breaking(HOT)}))
    (fault,) = found.faults
    assert (found.passed, fault.back_as_before) == (not refused, not refused)
    assert fault.shows_again is (None if refused else True)


LOOKS: dict[str, Any] = {
    **{k: v for k, v in RESUME.items() if k not in ("actions", "preconditions", "irreversible")},
    "metadata": {
        **RESUME["metadata"],
        "category": "observation",
        "mutability": "read_only",
        "risk_level": "none",
    },
    "success_criteria": [{"name": "broken", **STATE, "expect": {"ok": False}}],
}


async def test_a_skill_that_only_looks_must_tell_broken_from_healthy(tmp_path: Path) -> None:
    """It finds the fault when it is there, and nothing when there is nothing."""
    world = World()
    trial = Trial(tmp_path, world, skill=with_faults(LOOKS, "hang", "noop"), hidden=[])
    assert (await rehearsed(trial, Breaker(world, {"hang": breaking(PAUSED)}))).passed
    assert world.effects == []
    blind = {**SERVED, "name": "blind", "service": "postgres"}
    trial.write(with_faults(LOOKS, "hang", success_criteria=[*LOOKS["success_criteria"], blind]))
    found = await rehearsed(trial, Breaker(world, {"hang": breaking(PAUSED)}))
    assert found.problems == ["blind reads the same on a broken and on a healthy system"]


async def test_looks_begin_when_diagnosis_and_alerts_are_silent(tmp_path: Path) -> None:
    """What the machine still suffers from would be read as normal: it is waited for, and told when it does not end."""
    world, sick = World(), 3
    trial = Trial(tmp_path, world, skill=with_faults(LOOKS, "hang"), hidden=[])
    plain = WorldProbes(world)

    async def run(names: Any = None, services: Any = None) -> list[Reading]:
        nonlocal sick
        if "diagnosis" not in (names or []):
            return await plain.run(names, services)
        sick -= 1
        return [Reading(probe="diagnosis", service="api", time=0.0, ok=sick < 0, text="the disk is slow", values={})]

    trial.probes, trial.more_probes = SimpleNamespace(run=run), frozenset({"diagnosis"})
    assert (await rehearsed(trial, Breaker(world, {"hang": breaking(PAUSED)}))).passed
    sick = 10**6
    trial.write(with_faults(LOOKS, "hang", "noop"))
    found = await rehearsed(trial, Breaker(world, {"hang": breaking(PAUSED)}))
    assert [f.problems for f in found.faults] == [
        ["the system is not healthy before anything was broken: the disk is slow"]
    ], "the second fault would find it no better"
    assert not found.problems, "nothing is held against a criterion that saw nothing"
    assert not found.passed


async def test_where_it_cannot_take_place(tmp_path: Path) -> None:
    """Nothing to break, a responder that would mend it first, no fault of its own, an ill patient, no chaos server."""
    world = World()
    trial = Trial(tmp_path, world, skill=with_faults(RESUME, "hang"))
    for breaker, hands_off, words in (
        (None, True, "nothing can be broken"),
        (Breaker(world, {}), False, "the responder would mend it"),
    ):
        with pytest.raises(ConflictError, match=words):
            await rehearsed(trial, breaker, hands_off=hands_off)
    assert "cannot be rehearsed here" in (await rehearsed(trial, Breaker(world, {"other": breaking(HOT)}))).problems[0]
    gone = await rehearsed(trial, Breaker(world, {"hang": breaking(PAUSED)}, away=True))
    assert "does not answer" in gone.problems[0]
    world.also_broken.add("postgres")
    world.wrong[PAUSED] = {}
    ill = await rehearsed(trial, Breaker(world, {"hang": breaking(PAUSED)}))
    assert "not healthy before anything was broken" in ill.faults[0].problems[0]


async def test_what_breaks_off_is_over(tmp_path: Path) -> None:
    """An error that nobody foresaw, and an app that ended in the middle: not passed, and whoever waits hears of it."""
    world = World(mends={"resume_process api"})
    trial = Trial(tmp_path, world, skill=with_faults(RESUME, "hang"))

    def explode(world: World) -> None:
        raise ZeroDivisionError

    found = await rehearsed(trial, Breaker(world, {"hang": explode}))
    assert not found.passed
    assert found.problems == ["it broke off: ZeroDivisionError"]
    left = Rehearsal(
        id="reh-left", skill="paused-process", version="1.0.0", digest=found.digest, started_at=trial.clock.now()
    )
    trial.bench.store.save_rehearsal(left)
    again = Rehearsals(SkillRunner(trial.bench, ProcessLeases(), "app"), None, hands_off=True).get("reh-left")
    assert again.ended_at is not None
    assert again.problems == ["the app ended in the middle of it"]
    assert trial.bench.store.rehearsal("reh-left") == again
