"""The manager agent: chooses by card, trust and faded record, looks for real, mends only when allowed, never runs a skill twice."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from domain.errors import ModelUnavailableError
from domain.reasoning import Question
from graph.checkpoint.lease import ProcessLeases
from graph.checkpoint.serde import strict_serde
from graph.skills.manager import ManagerReport, Mission
from graph.skills.missions import Missions
from graph.skills.runner import SkillRunner
from skills.card import TaskCard
from skills.choose import ChoiceAnswer, candidates
from skills.experience import experience
from skills.problem import SkillError
from skills.report import Failure, Order, Report, RunStatus
from skills.schema import Stage
from skills.store import Standing, Trust
from tests.fakes.world import World
from tests.unit.skills.trial import PAUSED, RESUME, Trial

SKILL: dict[str, Any] = {**RESUME, "metadata": {**RESUME["metadata"], "fault_classes": ["hang"]}}


def card(**changes: Any) -> TaskCard:
    fields = {
        "name": "mend-it",
        "intent": "bring the api back to what it should be",
        "workload": "api",
        "fault_domain": "process.paused",
        "severity": "high",
        "family": "T2",
        "expected": "users are served",
    }
    return TaskCard.model_validate({**fields, **changes})


def sick(tmp_path: Path, **more: Any) -> Trial:
    world = World(wrong={PAUSED: {}}, mends={"resume_process api"})
    return Trial(tmp_path, world, skill=SKILL, **more)


async def mission(trial: Trial, **changes: Any) -> ManagerReport:
    runner = SkillRunner(trial.bench, ProcessLeases(), "app")
    await runner.start(InMemorySaver(serde=strict_serde()))
    missions = Missions(runner, trial.root / "missions")
    try:
        begun = await missions.submit(Mission.model_validate({"card": card(), **changes}))
        async with asyncio.timeout(20):
            while missions.get(begun.id).ended_at is None:
                await asyncio.sleep(0.01)
        return missions.get(begun.id)
    finally:
        await missions.close()
        await runner.close()


async def test_read_only_by_default(tmp_path: Path) -> None:
    """Recovery is run dry: proposed, nothing changed; stages without a fitting skill say so."""
    trial = sick(tmp_path)
    found = await mission(trial)
    assert (found.status, trial.world.effects) == ("proposed", [])
    assert [(c.skill, c.status) for c in found.chosen] == [("paused-process", "dry_run")]
    assert found.notes == ["detection: no skill fits the card", "diagnosis: no skill fits the card"]


async def test_it_mends_when_allowed(tmp_path: Path) -> None:
    """Through the same ten steps; the report says why this skill was chosen."""
    trial = sick(tmp_path)
    found = await mission(trial, allow_mutation=True, stages=["recovery"])
    assert (found.status, trial.world.effects) == ("mitigated", ["resume_process api"])
    assert found.chosen[0].why == "names the fault; draft; confidence 0.50 over 0 runs"


async def test_a_mission_goes_on_and_runs_nothing_twice(tmp_path: Path) -> None:
    """The process died after the skill had run: the same run is found again by its id."""
    trial = sick(tmp_path)
    runner = SkillRunner(trial.bench, ProcessLeases(), "app")
    await runner.start(InMemorySaver(serde=strict_serde()))
    missions = Missions(runner, trial.root / "missions")
    first = await missions.submit(Mission(card=card(), allow_mutation=True, stages=[Stage.RECOVERY]))
    async with asyncio.timeout(20):
        while trial.bench.store.known_run(f"{first.id}-1") is None:
            await asyncio.sleep(0.01)
    await missions.close()
    await runner.ended(f"{first.id}-1")
    again = Missions(runner, trial.root / "missions")
    await again.start()
    async with asyncio.timeout(20):
        while again.get(first.id).ended_at is None:
            await asyncio.sleep(0.01)
    assert (again.get(first.id).status, trial.world.effects) == ("mitigated", ["resume_process api"])
    await again.close()
    await runner.close()


async def test_nothing_fits(tmp_path: Path) -> None:
    """Another fault, a quarantined skill, or a workload that is not there."""
    assert (await mission(sick(tmp_path / "a"), card=card(fault_domain="latency"))).status == "nothing_found"
    trial = sick(tmp_path / "b")
    package, skill = trial.bench.shelf.procedure("paused-process")
    standing = Standing(
        skill=skill.name,
        version="1.0.0",
        digest=package.digest,
        trust=Trust.QUARANTINED,
        by="ada",
        at=trial.clock.now(),
    )
    trial.bench.store.stand(standing)
    assert candidates(card(), Stage.RECOVERY, trial.bench) == []
    with pytest.raises(SkillError, match="not in the inventory"):
        await mission(trial, card=card(workload="moon"))


class Chooser:
    """A model that names skills, or is away."""

    name = "openai:chooser"

    def __init__(self, *names: str) -> None:
        self.names = names

    async def answer(self, question: Question[Any]) -> Any:
        if not self.names:
            raise ModelUnavailableError("the model is too slow")
        return ChoiceAnswer(skills=list(self.names))


@pytest.mark.parametrize(
    ("model", "note"),
    [
        (Chooser("paused-process"), ""),
        (Chooser("rm-everything"), "named no candidate"),
        (Chooser(), "the model is too slow"),
        (None, "no model is configured"),
    ],
)
async def test_a_model_only_orders_what_the_rules_let_in(model: Chooser | None, note: str, tmp_path: Path) -> None:
    """It cannot add skills; when it is of no use, rules choose, visibly."""
    found = await mission(sick(tmp_path, model=model), planner="llm", stages=["recovery"])
    assert [c.skill for c in found.chosen] == ["paused-process"]
    assert note in "".join(found.notes)


def test_experience_fades(tmp_path: Path) -> None:
    """A failure of long ago weighs little; what failed last is remembered in words; other digests do not count."""
    now = Trial(tmp_path, World()).clock.now()

    def run(status: RunStatus, days: float, **more: Any) -> Report:
        failure = Failure(signature="VERIFICATION_FAILED", text="still broken") if status is RunStatus.FAILED else None
        fields: dict[str, Any] = {"digest": "sha256:a", "status": status, "failure": failure, **more}
        return Report(
            id="r",
            order=Order(skill="x"),
            version="1.0.0",
            trust="draft",
            started_at=now - timedelta(days=days),
            **fields,
        )

    assert experience("x", "sha256:a", [], now).confidence == 0.5
    fresh = experience("x", "sha256:a", [run(RunStatus.FAILED, 0)], now)
    old = experience("x", "sha256:a", [run(RunStatus.FAILED, 60)], now)
    assert fresh.confidence < old.confidence < 0.5
    assert fresh.reflections == ["VERIFICATION_FAILED at the gate: still broken"]
    ignored = [run(RunStatus.FAILED, 0, digest="sha256:b"), run(RunStatus.FAILED, 0, rehearsal="reh-1")]
    ignored.append(run(RunStatus.BLOCKED, 0))
    assert experience("x", "sha256:a", ignored, now).runs == 0


async def test_a_skill_that_cannot_be_begun_is_blocked_and_the_mission_goes_on(tmp_path: Path) -> None:
    """What the validator forbids is no failure of the mission, and its reason stands in the report."""
    trial = Trial(tmp_path, World(wrong={PAUSED: {}}), skill={**SKILL, "irreversible": ""})
    report = await mission(trial, stages=["recovery", "diagnosis"], allow_mutation=True)
    (row,) = report.chosen
    assert (row.status, report.status) == ("blocked", "blocked")
    assert "nothing takes it back" in row.text
    assert report.planned == [Stage.RECOVERY, Stage.DIAGNOSIS]
    assert not trial.world.effects


def test_what_cannot_be_given_here_is_no_candidate(tmp_path: Path) -> None:
    """A default that names what only another inventory has takes no other skill's place."""
    elsewhere = {"service": {**SKILL["parameters"]["service"], "kinds": ["kiosk"], "default": "kiosk-7"}}
    assert candidates(card(), Stage.RECOVERY, sick(tmp_path).bench)
    trial = Trial(tmp_path / "other", World(), skill={**SKILL, "parameters": elsewhere})
    assert not candidates(card(), Stage.RECOVERY, trial.bench)
