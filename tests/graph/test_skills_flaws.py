"""What the field gets wrong about skills: each flaw has the name of its test, and a skill in `flaws/` that tries it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from domain.action import DryRun, DryRunResult
from domain.conditions import Condition
from domain.guard import Receipt
from domain.value import new_id
from graph.skills.methods import ran
from skills.bench import Bench
from skills.rehearsal import Rehearsal
from skills.rehearse import order_for, rehearse, stage_for
from skills.report import Order, Report, RunStatus
from skills.shelf import Shelf
from skills.validate import validate
from skills.vocabulary import registered
from tests.fakes.breaker import Breaker, breaking
from tests.fakes.world import World
from tests.unit.skills.trial import PAUSED, Trial

FLAWS = Path(__file__).with_name("flaws")
DOCUMENTED = Path(__file__).resolve().parents[2] / "docs" / "skill-rules.md"
HOT = (Condition.POOL_SATURATED, "api")


def on(trial: Trial) -> Bench:
    """The world's bench with the flawed skills on its shelf."""
    return replace(trial.bench, shelf=Shelf(FLAWS), words=registered(trial.bench.inventory))


async def run(skill: str, bench: Bench, *, execute: bool = True) -> Report:
    return await ran(Order(skill=skill, execute=execute, allow_mutation=execute), new_id("skr"), bench)


async def rehearsed(skill: str, trial: Trial, breaker: Breaker) -> Rehearsal:
    bench = on(trial)
    package, procedure = bench.shelf.procedure(skill)

    async def play(order: Order) -> Report:
        return await ran(order, new_id("skr"), bench)

    begun = Rehearsal(
        id="r1", skill=skill, version=procedure.version, digest=package.digest, started_at=bench.clock.now()
    )
    stage = stage_for(procedure, {}, bench, breaker, play)
    assert stage.order == order_for(procedure, {})
    return await rehearse(begun, stage, lambda _: None)


def refused(skill: str) -> set[tuple[str, str]]:
    """(rule, what it is about) of everything that the validator says of it."""
    _, problems = validate(FLAWS / skill, registered())
    assert all(p.line > 1 and p.fix for p in problems)
    return {(p.rule, p.text.split(":")[0]) for p in problems}


def test_every_documented_flaw_is_tried() -> None:
    """The list in the documentation, the tests of this module and the skills beside it are one list."""
    documented = re.findall(r"^\| \[([a-z-]+)\]", DOCUMENTED.read_text(), re.M)
    tried = {name.removeprefix("test_").replace("_", "-") for name in globals() if name.startswith("test_")}
    assert len(documented) == len(set(documented))
    assert set(documented) == tried - {"every-documented-flaw-is-tried"} == {p.name for p in FLAWS.iterdir()}


async def test_blocked_counted_as_succeeded(tmp_path: Path) -> None:
    """All that it promises holds already, and it is blocked all the same: no success, no trace of one in its record."""
    report = await run("blocked-counted-as-succeeded", on(Trial(tmp_path, World())))
    assert report.status is RunStatus.BLOCKED
    assert report.failure is not None
    assert (report.failure.signature, report.steps, report.visible) == ("PRECONDITION_FAILED", [], [])


async def test_failed_criterion_keeps_the_change(tmp_path: Path) -> None:
    """The step went well, the promise was not kept: taken back."""
    trial = Trial(tmp_path, World(wrong={HOT: {}}))
    report = await run("failed-criterion-keeps-the-change", on(trial))
    assert trial.world.effects == ["scale_pool api", "undo scale_pool api"]
    assert report.status is RunStatus.ROLLED_BACK


async def test_criterion_blind_to_the_fault(tmp_path: Path) -> None:
    """Run against the injected fault it does not fail, so the rehearsal does, although the cure cures."""
    trial = Trial(tmp_path, World(mends={"resume_process api"}))
    found = await rehearsed("criterion-blind-to-the-fault", trial, Breaker(trial.world, {"hang": breaking(PAUSED)}))
    assert found.faults[0].status == "succeeded"
    assert found.faults[0].problems == ["database-answers reads the same with and without hang"]
    assert not found.passed


def test_echo_ok_as_criterion() -> None:
    """It ends the same way whatever the system is like."""
    assert refused("echo-ok-as-criterion") == {("constant_command", "all-is-well")}


def test_exit_zero_as_evidence() -> None:
    """That a value could be read is not the value."""
    assert refused("exit-zero-as-evidence") == {("exit_code_only", "pods-listed")}


async def test_dry_run_of_two_answers(tmp_path: Path) -> None:
    """Would change, no change, and cannot tell when Prometheus is not there to be asked."""
    trial = Trial(tmp_path, World(wrong={PAUSED: {}}))
    plain = trial.guard.judge

    async def judge(plan: Any, actor: Any) -> Any:
        told = DryRunResult(answer=DryRun.WOULD_CHANGE, summary="it is paused")
        return [j.model_copy(update={"dry_run": told}) for j in await plain(plan, actor)]

    trial.guard.judge = judge  # type: ignore[method-assign]

    async def answer(*samples: float) -> DryRun | None:
        async def query(expression: str) -> list[float]:
            return list(samples)

        bench = replace(on(trial), query=query if samples else None)
        return (await run("dry-run-of-two-answers", bench, execute=False)).answer

    assert [await answer(0.4), await answer(0.0), await answer()] == [
        DryRun.WOULD_CHANGE,
        DryRun.NO_CHANGE,
        DryRun.CANNOT_TELL,
    ]
    assert trial.world.effects == []


def test_mutation_found_by_substring() -> None:
    """The one with `delete` in its text is let be, the one that changes something is named."""
    found = refused("mutation-found-by-substring")
    assert ("declared_effect", "leave-a-note") in found
    assert not any("read-delete-worker" in about for _, about in found)


def test_declared_effect_believed() -> None:
    """The declared class against what is called."""
    assert ("declared_effect", "look") in refused("declared-effect-believed")


async def test_declared_effect_never_observed(tmp_path: Path) -> None:
    """The declared class against what the guard recorded: no undo was left behind."""
    trial = Trial(tmp_path, World(mends={"scale_pool api"}))
    plain = trial.guard.apply

    async def apply(*given: Any) -> Receipt:
        return (await plain(*given)).model_copy(update={"undo": None})

    trial.guard.apply = apply  # type: ignore[method-assign,assignment]
    found = await rehearsed("declared-effect-never-observed", trial, Breaker(trial.world, {"hot": breaking(HOT)}))
    assert found.faults[0].problems == ["widen is declared reversible, and the guard recorded no undo of it"]


async def test_hidden_check_in_plain_sight(tmp_path: Path) -> None:
    """What it breaks out of sight is seen and taken back; what was looked at stands nowhere in report and edit."""
    world = World(wrong={HOT: {}}, mends={"scale_pool api"}, breaks={"scale_pool api"})
    report = await run("hidden-check-in-plain-sight", on(Trial(tmp_path, world)))
    assert (report.status, [s.holds for s in report.hidden]) == (RunStatus.ROLLED_BACK, [False])
    assert not re.search("database-answers|postgres", report.model_dump_json())
