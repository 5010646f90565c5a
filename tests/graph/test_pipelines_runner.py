"""Pipeline runs as their faces see them: begun, answered, stopped, and resumed after a crash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from domain.action import Verdict
from domain.clock import ManualClock
from domain.conditions import Condition
from domain.errors import AuthError, ConfigError, ConflictError, NotFoundError, StorageError
from domain.guard import ApprovalStatus, LedgerEntry
from domain.pipeline import Pipeline
from graph.checkpoint.lease import ProcessLeases
from graph.pipelines.reading import load_pipeline, parse_pipeline
from graph.pipelines.runner import GateAnswer, PipelineRunner
from graph.pipelines.runs import PipelineRun
from graph.pipelines.stages import Bindings
from graph.state import Knobs
from tests.fakes.house import House
from tests.fakes.world import World, alert

POOL = (Condition.POOL_SATURATED, "api")
HEAD = "name: trial\nversion: 1.0.0\ndescription: a trial\ntier: T1\nstages:\n"
TWO_PEOPLE = HEAD + "  - {name: door, gate: {approval: {question: 'Go on?', quorum: 2}}}\n"
SCALE = (
    HEAD
    + "  - {name: scale, agent: {template: act, tier: T1, with: {action: scale_pool, target: api, args: {size: 9}}}}\n"
)


async def say(token: str, run: str, content: dict[str, Any]) -> LedgerEntry:
    """The action server knows whose token it is."""
    if not token.startswith("token-of-"):
        raise AuthError("no valid credential")
    return LedgerEntry(
        seq=7,
        at=ManualClock().now(),
        kind="gate",
        actor=token.removeprefix("token-of-"),
        change=run,
        content=content,
        prev="",
        hash="",
    )


@asynccontextmanager
async def running(house: House, folder: Path) -> AsyncIterator[PipelineRunner]:
    runner = PipelineRunner(
        bindings=Bindings(services=house.services),
        leases=ProcessLeases(),
        folder=folder,
        say=say,
        knobs=Knobs(verify_s=0.2, patience_s=0.2),
        holder="app",
    )
    await runner.start(house.saver)
    try:
        yield runner
    finally:
        await runner.close()


async def until(runner: PipelineRunner, run_id: str, wanted: Callable[[PipelineRun], bool]) -> PipelineRun:
    async with asyncio.timeout(20):
        while not wanted(found := runner.get(run_id)):
            await asyncio.sleep(0.01)
    return found


def pipeline(text: str) -> Pipeline:
    return parse_pipeline(text, "trial.yaml")


async def test_a_run_is_told_as_it_goes(tmp_path: Path) -> None:
    """Started, followed to its end, listed."""
    async with running(House(World()), tmp_path) as runner:
        begun = await runner.submit(load_pipeline("default"), {}, "ada")
        ended = await until(runner, begun.id, lambda r: r.ended)
        assert (ended.status, [s.name for s in ended.stages]) == ("completed", ["observe", "anything-wrong"])
        assert [r.id for r in runner.runs()] == [begun.id]


async def test_incident_response_mends_as_a_pipeline(tmp_path: Path) -> None:
    """Alerts in as JSON, effects through the guard."""
    house = House(World(wrong={(Condition.PROCESS_PAUSED, "api"): {}}, mends={"resume_process api"}))
    async with running(house, tmp_path) as runner:
        given = {"alerts": [alert().model_dump(mode="json")]}
        begun = await runner.submit(load_pipeline("incident-response"), given, "ada")
        assert (await until(runner, begun.id, lambda r: r.ended)).status == "completed"
    assert house.world.effects == ["resume_process api"]


async def test_two_people_open_a_gate(tmp_path: Path) -> None:
    """One person counts once; a word that was not asked for is refused; who answers is what the token says."""
    async with running(House(World()), tmp_path) as runner:
        begun = await runner.submit(pipeline(TWO_PEOPLE), {}, "ada")
        await until(runner, begun.id, lambda r: r.status == "waiting")
        yes = GateAnswer(decision="approve")
        with pytest.raises(ConflictError):
            await runner.answer(begun.id, "door", GateAnswer(decision="retry"), person="ada", token="token-of-ada")
        with pytest.raises(AuthError):
            await runner.answer(begun.id, "door", yes, person="eve", token="guessed")
        await runner.answer(begun.id, "door", yes, person="ada", token="token-of-ada")
        with pytest.raises(ConflictError):
            await runner.answer(begun.id, "door", yes, person="ada", token="token-of-ada")
        assert runner.get(begun.id).status == "waiting"
        await runner.answer(begun.id, "door", yes, person="bob", token="token-of-bob")
        ended = await until(runner, begun.id, lambda r: r.ended)
        assert ended.status == "completed"
        assert [v["by"] for v in ended.stages[0].artifacts["votes"]] == ["ada", "bob"]
        with pytest.raises(ConflictError):
            await runner.answer(begun.id, "door", yes, person="eve", token="token-of-eve")


async def test_nobody_answers_in_time(tmp_path: Path) -> None:
    """The gate stays shut; the run says why."""
    text = HEAD + "  - {name: door, gate: {approval: {question: 'Go on?'}}, timeout: 1s}\n"
    house = House(World())
    async with running(house, tmp_path) as runner:
        begun = await runner.submit(pipeline(text), {}, "ada")
        await until(runner, begun.id, lambda r: r.status == "waiting")
        house.clock.advance(2)
        ended = await until(runner, begun.id, lambda r: r.ended)
        assert (ended.status, ended.error) == ("failed", "door: nobody answered in time")


async def test_an_asked_change_waits_for_the_guards_approval(tmp_path: Path) -> None:
    """Answered on any surface of the guard, the run goes on by itself."""
    house = House(World(wrong={POOL: {}}), verdicts={"scale_pool": Verdict.ASK})
    async with running(house, tmp_path) as runner:
        begun = await runner.submit(pipeline(SCALE), {}, "ada")
        waiting = await until(runner, begun.id, lambda r: r.status == "waiting")
        house.guard.answer(waiting.waiting[0]["approval"], ApprovalStatus.APPROVED)
        assert (await until(runner, begun.id, lambda r: r.ended)).status == "completed"
    assert house.world.effects == ["scale_pool api"]


async def test_a_crash_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    """The process dies right after the effect; the next one gets the same receipt and ends the run."""

    class Killed(BaseException):
        """The process is gone."""

    house = House(World(wrong={POOL: {}}))

    def die() -> None:
        house.guard.after_effect = lambda: None
        raise Killed

    house.guard.after_effect = die
    async with running(house, tmp_path) as runner:
        begun = await runner.submit(pipeline(SCALE), {}, "ada")
        async with asyncio.timeout(10):
            while not house.world.effects:
                await asyncio.sleep(0.01)
    async with running(house, tmp_path) as runner:
        assert (await until(runner, begun.id, lambda r: r.ended)).status == "completed"
    assert house.world.effects == ["scale_pool api"]


async def test_a_waiting_run_survives_a_restart_with_its_votes(tmp_path: Path) -> None:
    """The first person's yes still counts."""
    house = House(World())
    async with running(house, tmp_path) as runner:
        begun = await runner.submit(pipeline(TWO_PEOPLE), {}, "ada")
        await until(runner, begun.id, lambda r: r.status == "waiting")
        await runner.answer(begun.id, "door", GateAnswer(decision="approve"), person="ada", token="token-of-ada")
    async with running(house, tmp_path) as runner:
        await until(runner, begun.id, lambda r: r.status == "waiting")
        await runner.answer(begun.id, "door", GateAnswer(decision="approve"), person="bob", token="token-of-bob")
        assert (await until(runner, begun.id, lambda r: r.ended)).status == "completed"


async def test_a_person_stops_a_run(tmp_path: Path) -> None:
    """No further stage begins."""
    async with running(House(World()), tmp_path) as runner:
        begun = await runner.submit(pipeline(TWO_PEOPLE), {}, "ada")
        await until(runner, begun.id, lambda r: r.status == "waiting")
        await runner.stop(begun.id, "eve", "lunch")
        ended = await until(runner, begun.id, lambda r: r.ended)
        assert (ended.status, ended.error) == ("stopped", "stopped by eve: lunch")
        with pytest.raises(ConflictError):
            await runner.stop(begun.id, "eve")


async def test_what_must_not_run_does_not_begin(tmp_path: Path) -> None:
    """Errors of the document and of the inputs are said before anything is stored; so is an unknown run."""
    async with running(House(World()), tmp_path) as runner:
        with pytest.raises(ConfigError):
            await runner.submit(pipeline(HEAD + "  - {name: a, agent: {template: nope}}\n"), {}, "ada")
        with pytest.raises(ConfigError):
            await runner.submit(load_pipeline("code-review"), {}, "ada")
        assert runner.runs() == []
        with pytest.raises(NotFoundError):
            runner.get("../../etc/passwd")
        (tmp_path / "pipe-torn.json").write_text("{")
        with pytest.raises(StorageError):
            runner.get("pipe-torn")
        (tmp_path / "pipe-torn.json").unlink()
