"""Ten steps, in the order that they promise: what is blocked is not succeeded, what is not proved is taken back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from domain.action import DryRun, DryRunResult, Outcome, Verdict
from domain.bundle import Reading
from domain.conditions import Condition
from domain.errors import ModelUnavailableError, NotFoundError
from domain.guard import ApprovalStatus
from domain.reasoning import Question, VerifyAnswer
from domain.report import Sentence
from graph.checkpoint.lease import ProcessLeases
from graph.checkpoint.serde import strict_serde
from graph.skills.runner import SkillRunner
from skills.problem import SkillError
from skills.report import OPINION, Order, Report, RunStatus
from skills.store import Standing, Trust
from skills.trust import trust_of
from tests.fakes.world import World
from tests.unit.skills.trial import PAUSED, POOL, RESUME, SERVED, Trial

HOT = (Condition.POOL_SATURATED, "api")


def paused(**more: Any) -> World:
    return World(wrong={PAUSED: {}}, **more)


@asynccontextmanager
async def running(trial: Trial, saver: Any = None) -> AsyncIterator[SkillRunner]:
    runner = SkillRunner(trial.bench, ProcessLeases(), "app")
    await runner.start(saver or InMemorySaver(serde=strict_serde()))
    try:
        yield runner
    finally:
        await runner.close()


async def until(runner: SkillRunner, run_id: str, wanted: Callable[[Report], bool]) -> Report:
    async with asyncio.timeout(20):
        while not wanted(found := runner.bench.store.run(run_id)):
            await asyncio.sleep(0.01)
    return found


async def ran(trial: Trial, **order: Any) -> Report:
    """The report of one run to its end."""
    asked = {"skill": "paused-process", "execute": True, "allow_mutation": True, **order}
    async with running(trial) as runner:
        begun = await runner.submit(Order(**asked))
        return await until(runner, begun.id, lambda r: r.status.ended)


async def test_a_kept_promise(tmp_path: Path) -> None:
    """Probed, weighed, checked, let in, done, seen from outside and by the hidden check, written back."""
    trial = Trial(tmp_path, paused(mends={"resume_process api"}))
    report = await ran(trial)
    assert report.status is RunStatus.SUCCEEDED
    assert trial.world.effects == ["resume_process api"]
    assert [s.holds for s in (*report.preconditions, *report.visible, *report.hidden)] == [True, True, True]
    assert report.budget is not None
    assert report.budget.spent <= report.budget.limit
    assert report.steps[0].ledger == [1]
    assert [n[2]["event"] for n in trial.notes] == ["skill.ran"]


async def test_hidden_checks_are_not_told(tmp_path: Path) -> None:
    """A report says how many held, never what they look at."""
    report = await ran(Trial(tmp_path, paused(mends={"resume_process api"})))
    assert [(s.name, s.text) for s in report.hidden] == [("hidden-1", "a hidden check held")]
    assert "served" not in report.model_dump_json()


async def test_a_blocked_skill_is_blocked_not_succeeded(tmp_path: Path) -> None:
    """Its precondition does not hold: nothing was done, and the report does not say that it worked."""
    trial = Trial(tmp_path, World())
    report = await ran(trial)
    assert (report.status, trial.world.effects) == (RunStatus.BLOCKED, [])
    assert report.failure is not None
    assert report.failure.signature == "PRECONDITION_FAILED"
    assert not report.visible


async def test_no_mutation_without_leave(tmp_path: Path) -> None:
    """--execute alone only looks."""
    trial = Trial(tmp_path, paused())
    report = await ran(trial, allow_mutation=False)
    assert (report.status, trial.world.effects) == (RunStatus.BLOCKED, [])
    assert report.gate is not None
    assert "--allow-mutation" in report.gate.reasons[0]


async def test_a_failed_success_criterion_triggers_the_rollback(tmp_path: Path) -> None:
    """The step went well, the promise was not kept: taken back through the guard."""
    trial = Trial(tmp_path, World(wrong={HOT: {}}), skill=POOL)
    report = await ran(trial)
    assert report.status is RunStatus.ROLLED_BACK
    assert trial.world.effects == ["scale_pool api", "undo scale_pool api"]
    assert report.steps[0].taken_back is True
    assert report.failure is not None
    assert (report.failure.signature, report.failure.step) == ("VERIFICATION_FAILED", "fine")


async def test_a_hidden_check_that_fails_triggers_the_rollback_too(tmp_path: Path) -> None:
    """The naive promise holds, but something else broke meanwhile."""
    world = World(wrong={HOT: {}}, mends={"scale_pool api"}, breaks={"scale_pool api"})
    trial = Trial(tmp_path, world, skill=POOL, hidden=[{**SERVED, "service": "postgres"}])
    report = await ran(trial)
    assert [s.holds for s in report.visible] == [True]
    assert (report.status, world.also_broken) == (RunStatus.ROLLED_BACK, set())


async def test_what_cannot_be_taken_back_is_failed(tmp_path: Path) -> None:
    """A transient step has no undo: failed, not rolled back."""
    report = await ran(Trial(tmp_path, paused()))
    assert report.status is RunStatus.FAILED


async def test_a_refused_compensation_is_said(tmp_path: Path) -> None:
    """The guard wants a person for the way back: failed, with the step named."""
    trial = Trial(tmp_path, World(wrong={HOT: {}}), skill=POOL)
    trial.guard.refuses_undo = True
    report = await ran(trial)
    assert (report.status, report.steps[0].taken_back) == (RunStatus.FAILED, False)


@pytest.mark.parametrize("yes", [True, False])
async def test_taking_back_may_wait_for_a_person(yes: bool, tmp_path: Path) -> None:
    """Nobody pre-authorised the way back: the run waits, and what the person says is done."""
    trial = Trial(tmp_path, World(wrong={HOT: {}}), skill=POOL)
    trial.guard.asks_undo = True
    async with running(trial) as runner:
        begun = await runner.submit(Order(skill="paused-process", execute=True, allow_mutation=True))
        waiting = await until(runner, begun.id, lambda r: r.status is RunStatus.WAITING)
        answer = ApprovalStatus.APPROVED if yes else ApprovalStatus.REJECTED
        trial.guard.answer(waiting.steps[0].asked_back, answer)
        report = await until(runner, begun.id, lambda r: r.status.ended)
    assert report.status is (RunStatus.ROLLED_BACK if yes else RunStatus.FAILED)
    assert report.steps[0].taken_back is yes


async def test_an_unknown_end_is_not_dispatched_again(tmp_path: Path) -> None:
    """Unknown is an outcome: nothing further is done, nothing taken back."""
    trial = Trial(tmp_path, World(wrong={HOT: {}}), skill=POOL)
    trial.guard.outcomes["scale_pool"] = Outcome.UNKNOWN
    report = await ran(trial)
    assert (report.status, trial.world.effects) == (RunStatus.UNKNOWN, ["scale_pool api"])


async def test_a_step_that_says_abort_leaves_everything(tmp_path: Path) -> None:
    """`on_failure: abort`: the first step stays, the second failed."""
    second = {
        "name": "again",
        "action": "restart_service",
        "target": "${service}",
        "effect": "transient",
        "on_failure": "abort",
    }
    skill = {**POOL, "actions": [*POOL["actions"], second], "irreversible": "a restart is not taken back"}
    trial = Trial(tmp_path, World(wrong={HOT: {}}), skill=skill)
    trial.guard.outcomes["restart_service"] = Outcome.FAILED
    report = await ran(trial)
    assert (report.status, trial.world.effects) == (RunStatus.FAILED, ["scale_pool api"])


async def test_a_failed_step_takes_the_former_ones_back(tmp_path: Path) -> None:
    """`on_failure: rollback` is the default."""
    second = {"name": "again", "action": "restart_service", "target": "${service}", "effect": "transient"}
    skill = {**POOL, "actions": [*POOL["actions"], second], "irreversible": "a restart is not taken back"}
    trial = Trial(tmp_path, World(wrong={HOT: {}}), skill=skill)
    trial.guard.outcomes["restart_service"] = Outcome.FAILED
    report = await ran(trial)
    assert (report.status, trial.world.effects) == (RunStatus.ROLLED_BACK, ["scale_pool api", "undo scale_pool api"])


async def test_the_guards_no_is_blocked(tmp_path: Path) -> None:
    """Whatever the skill's own gate says."""
    trial = Trial(tmp_path, paused(), verdicts={"resume_process": Verdict.DENY})
    report = await ran(trial)
    assert (report.status, trial.world.effects) == (RunStatus.BLOCKED, [])
    assert report.failure is not None
    assert report.failure.signature == "POLICY_BLOCKED"


@pytest.mark.parametrize("answer", [ApprovalStatus.APPROVED, ApprovalStatus.REJECTED, None])
async def test_a_person_is_asked(answer: ApprovalStatus | None, tmp_path: Path) -> None:
    """The run waits; yes lets it go on, no and silence do not."""
    trial = Trial(tmp_path, paused(mends={"resume_process api"}), verdicts={"resume_process": Verdict.ASK})
    async with running(trial) as runner:
        order = Order(skill="paused-process", execute=True, allow_mutation=True)
        begun = await runner.submit(order)
        waiting = await until(runner, begun.id, lambda r: r.status is RunStatus.WAITING)
        if answer is None:
            trial.clock.advance(7200)
        else:
            trial.guard.answer(str(waiting.steps[0].approval), answer)
        report = await until(runner, begun.id, lambda r: r.status.ended)
    yes = answer is ApprovalStatus.APPROVED
    assert report.status is (RunStatus.SUCCEEDED if yes else RunStatus.BLOCKED)
    assert trial.world.effects == (["resume_process api"] if yes else [])


async def test_a_dry_run_changes_nothing_and_asks_nobody(tmp_path: Path) -> None:
    """It needs no leave; the plan that the guard sees says that it is dry."""
    trial = Trial(tmp_path, paused())
    report = await ran(trial, execute=False, allow_mutation=False)
    assert (report.status, trial.world.effects) == (RunStatus.DRY_RUN, [])
    assert trial.guard.plans[report.plan].dry
    assert report.answer is DryRun.CANNOT_TELL, "the little guard makes no dry run"


@pytest.mark.parametrize(
    ("told", "world", "answer"),
    [
        (DryRun.WOULD_CHANGE, paused(), DryRun.WOULD_CHANGE),
        (DryRun.NO_CHANGE, paused(), DryRun.NO_CHANGE),
        (DryRun.CANNOT_TELL, paused(), DryRun.CANNOT_TELL),
        (DryRun.WOULD_CHANGE, World(), DryRun.NO_CHANGE),
        (DryRun.WOULD_CHANGE, paused(blind=True), DryRun.CANNOT_TELL),
    ],
)
async def test_a_dry_run_has_three_answers(told: DryRun, world: World, answer: DryRun, tmp_path: Path) -> None:
    """What the guard says of each step, unless a precondition does not hold (no change) or cannot be told."""
    trial = Trial(tmp_path, world)
    plain = trial.guard.judge

    async def judge(plan: Any, actor: Any) -> Any:
        result = DryRunResult(answer=told, summary="looked")
        return [j.model_copy(update={"dry_run": result}) for j in await plain(plan, actor)]

    trial.guard.judge = judge  # type: ignore[method-assign]
    report = await ran(trial, execute=False)
    assert (report.answer, report.steps[0].would) == (answer, "looked")


async def test_a_crash_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    """The process dies right after the effect; the next one gets the same receipt and ends the run."""

    class Killed(BaseException):
        """The process is gone."""

    trial = Trial(tmp_path, paused(mends={"resume_process api"}))
    saver = InMemorySaver(serde=strict_serde())
    dead = asyncio.Event()

    def die() -> None:
        trial.guard.after_effect = lambda: None
        dead.set()
        raise Killed

    trial.guard.after_effect = die
    runner = SkillRunner(trial.bench, ProcessLeases(), "app")
    await runner.start(saver)
    begun = await runner.submit(Order(skill="paused-process", execute=True, allow_mutation=True))
    await dead.wait()
    with pytest.raises(Killed):
        await asyncio.gather(*runner._tasks.values())
    async with running(trial, saver) as again:
        report = await until(again, begun.id, lambda r: r.status.ended)
    assert (report.status, trial.world.effects) == (RunStatus.SUCCEEDED, ["resume_process api"])


async def test_a_field_failure_quarantines(tmp_path: Path) -> None:
    """What changed something and did not keep its promise is taken out of use, with the run as evidence."""
    trial = Trial(tmp_path, paused())
    report = await ran(trial)
    package, _ = trial.bench.shelf.procedure("paused-process")
    assert trust_of(package, trial.bench.store) is Trust.QUARANTINED
    standing = trial.bench.store.standing("paused-process", package.digest)
    assert standing is not None
    assert standing.evidence == [report.id]
    with pytest.raises(SkillError, match="quarantine"):
        await ran(trial)


async def test_a_failure_proposes_a_structural_edit(tmp_path: Path) -> None:
    """Run where its fault was not: demand the fault first. A diff, nothing applied."""
    trial = Trial(tmp_path, paused(), skill={**RESUME, "preconditions": []})
    report = await ran(trial)
    assert report.edit is not None
    assert report.edit.operations[0]["add"] == "preconditions"
    assert "+- name: broken-fine" in report.edit.diff
    assert report.edit.runs == [report.id]
    assert trial.bench.shelf.procedure("paused-process")[0].digest == report.digest


async def test_another_digest_is_another_skill(tmp_path: Path) -> None:
    """What was trusted was these bytes."""
    trial = Trial(tmp_path, paused())
    package, skill = trial.bench.shelf.procedure("paused-process")
    now = trial.clock.now()
    standing = Standing(
        skill=skill.name, version=skill.version, digest=package.digest, trust=Trust.TRUSTED, by="ada", at=now
    )
    trial.bench.store.stand(standing)
    trial.write({**RESUME, "version": "1.0.1"})
    changed, _ = trial.bench.shelf.procedure("paused-process")
    assert (trust_of(package, trial.bench.store), trust_of(changed, trial.bench.store)) == (
        Trust.TRUSTED,
        Trust.DRAFT,
    )


async def test_wrong_orders_are_refused_before_anything(tmp_path: Path) -> None:
    """Unknown skills, targets that the inventory does not have, of another kind, parameters that do not exist."""
    trial = Trial(tmp_path, paused())
    async with running(trial) as runner:
        for order, error, words in (
            (Order(skill="nothing"), NotFoundError, "no skill"),
            (Order(skill="paused-process", target="moon"), SkillError, "not in the inventory"),
            (Order(skill="paused-process", target="frontend"), SkillError, "is a frontend"),
            (Order(skill="paused-process", parameters={"speed": 1}), SkillError, "speed is no parameter"),
        ):
            with pytest.raises(error) as caught:
                await runner.submit(order)
            assert words in f"{caught.value.message} {caught.value.found}"
        trial.write({**RESUME, "irreversible": ""})
        with pytest.raises(SkillError, match="missing_undo"):
            await runner.submit(Order(skill="paused-process"))


class Doubter:
    """A model that doubts, or one that is away."""

    name = "openai:doubter"

    def __init__(self, *, away: bool = False) -> None:
        self.away = away
        self.heard = ""

    async def answer(self, question: Question[Any]) -> Any:
        self.heard = question.model_dump_json()
        if self.away:
            raise ModelUnavailableError("the model is too slow")
        return cast(Any, VerifyAnswer(holds=False, doubts=[Sentence(text="too early to say")]))


async def test_a_model_may_doubt_and_never_sees_hidden_checks(tmp_path: Path) -> None:
    """Its no fails the run; what the checks confirm is not taken back for it, and the skill stays in use."""
    doubter = Doubter()
    report = await ran(Trial(tmp_path, paused(mends={"resume_process api"}), model=doubter), verifier="llm")
    assert (report.status, report.doubts) == (RunStatus.FAILED, ["too early to say"])
    assert report.failure is not None
    assert (report.failure.step, report.steps[0].taken_back) == (OPINION, None)
    assert report.verifier == "rules and openai:doubter"
    assert "served" not in doubter.heard


@pytest.mark.parametrize("model", [None, Doubter(away=True)])
async def test_without_a_model_rules_verify_and_say_so(model: Doubter | None, tmp_path: Path) -> None:
    """Falling back is visible."""
    report = await ran(Trial(tmp_path, paused(mends={"resume_process api"}), model=model), verifier="llm")
    assert report.status is RunStatus.SUCCEEDED
    assert report.notes[0].startswith("rules verified alone")


LOOKED = ("state", "http_health")
LOOK: dict[str, Any] = {
    **{key: part for key, part in RESUME.items() if key not in ("actions", "preconditions", "irreversible")},
    "metadata": {**RESUME["metadata"], "category": "observation", "mutability": "read_only", "risk_level": "none"},
    "success_criteria": [
        {"name": probe, "probe": probe, "service": "${service}", "expect": {"ok": False}} for probe in LOOKED
    ],
}


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ((False, False), RunStatus.SUCCEEDED),
        ((False, True), RunStatus.NOT_FOUND),
        ((None, True), RunStatus.NOT_FOUND),
        ((False, None), RunStatus.UNKNOWN),
        ((None, None), RunStatus.UNKNOWN),
    ],
)
async def test_a_look_that_cannot_tell_has_not_found_nothing(
    answers: tuple[bool | None, bool | None], status: RunStatus, tmp_path: Path
) -> None:
    """No answer within the time is no answer; one clear no is enough for not found."""
    trial = Trial(tmp_path, World(), skill=LOOK, hidden=[])
    readings = {
        probe: Reading(
            probe=probe, service="api", time=0.0, ok=ok, text="", values={}, data_gap="no answer" if ok is None else ""
        )
        for probe, ok in zip(LOOKED, answers, strict=True)
    }

    async def run(names: Any, services: Any) -> list[Reading]:
        return [readings[name] for name in names]

    trial.probes = SimpleNamespace(run=run)
    found = await ran(trial)
    assert found.status is status
    assert (found.failure is not None and "no answer" in found.failure.text) is (status is RunStatus.UNKNOWN)
