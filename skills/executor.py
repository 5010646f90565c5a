"""The ten steps of a run, each a function from the report so far to the report after it (spec: Skills).

probe the environment → risk budget → preconditions → gate → actions → visible verification → hidden verification →
failure signature → structural edit → write-back. The graph walks them; whoever walks them twice changes nothing twice,
because every change goes through the guard under the same plan and step.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from domain.action import DryRun, Judgement, Outcome, Verdict
from domain.guard import Actor, Receipt
from domain.inventory import Environment
from skills.arguments import arguments, bound, bound_hidden, target_parameter
from skills.asking import second_opinion
from skills.bench import Bench
from skills.budget import risk_budget
from skills.edit import propose
from skills.folder import Package
from skills.gate import AtTheGate, judge_gate
from skills.look import see_all
from skills.planning import plan_of, step_reports
from skills.problem import SkillError
from skills.profile import profile_of
from skills.reading import read_arguments
from skills.report import Order, Report, RunStatus, Seen, StepReport
from skills.schema import Skill
from skills.signature import failure_of
from skills.store import Trust
from skills.trust import after_field_run, trust_of, was_rehearsed
from skills.validate import usable, validate

DONE = (Outcome.SUCCEEDED, Outcome.SKIPPED)


def begin(order: Order, run_id: str, bench: Bench, rehearsal: str = "") -> Report:
    """Check the order and open a report. Raises NotFoundError or SkillError: nothing is run that is not valid."""
    package, skill = bench.shelf.procedure(order.skill)
    given = arguments(skill, bench.inventory, order.target, order.parameters)
    _, problems = validate(package.folder, bench.words, given)
    if not usable(problems):
        raise SkillError(
            f"{order.skill} must not be run: {problems[0].words()}",
            expected="a skill without errors",
            found=f"{len(problems)} problems",
            hint="firebreak skill validate names all of them",
        )
    trust = trust_of(package, bench.store)
    if order.execute and trust is Trust.QUARANTINED:
        standing = bench.store.standing(order.skill, package.digest)
        raise SkillError(
            f"{order.skill} is in quarantine",
            expected="a skill that kept its promises",
            found=standing.reason if standing else "",
            hint="mend it and pin it again; a dry run is still possible",
            code="skill.quarantined",
        )
    bound(skill, given)
    return Report(
        id=run_id,
        order=order,
        version=skill.version,
        digest=package.digest,
        trust=trust.value,
        given=given,
        verifier=order.verifier,
        rehearsal=rehearsal,
        started_at=bench.clock.now(),
    )


def opened(report: Report, bench: Bench) -> tuple[Package, Skill]:
    """The very procedure that was ordered. Raises SkillError when it changed since."""
    package, skill = bench.shelf.procedure(report.order.skill)
    if package.digest != report.digest:
        raise SkillError(
            f"{report.order.skill} changed while it ran",
            expected=report.digest,
            found=package.digest,
            hint="run it again",
            code="skill.changed",
        )
    return package, bound(skill, report.given)


async def look_around(report: Report, bench: Bench) -> Report:
    """1: what can be done on the target."""
    return report.model_copy(update={"environment": await profile_of(_target(report, bench), bench)})


async def weigh(report: Report, bench: Bench) -> Report:
    """2: the risk budget."""
    package, skill = opened(report, bench)
    tested = was_rehearsed(package, bench.store)
    budget = risk_budget(skill, _environment(report, bench), bench.words, tested_rollback=tested)
    return report.model_copy(update={"budget": budget})


async def check_before(report: Report, bench: Bench) -> Report:
    """3: the preconditions, all of them."""
    _, skill = opened(report, bench)
    seen = await see_all(skill.preconditions, bench)
    return report.model_copy(update={"preconditions": seen, "read": await read_arguments(skill, bench)})


async def knock(report: Report, bench: Bench) -> Report:
    """4: the gate, and behind it the guard's judgement of every step. A dry run asks the guard even when the gate is shut."""
    _, skill = opened(report, bench)
    assert report.environment is not None, "step 1 came before"
    assert report.budget is not None, "step 2 came before"
    gate = judge_gate(
        AtTheGate(
            skill=skill,
            order=report.order,
            words=bench.words,
            environment=_environment(report, bench),
            profile=report.environment,
            budget=report.budget,
            preconditions=report.preconditions,
        )
    )
    report = report.model_copy(update={"gate": gate})
    if not gate.open and report.order.execute:
        return report.model_copy(update={"status": RunStatus.BLOCKED})
    plan = plan_of(skill, report, bench)
    if plan is not None:
        judged = await bench.guard.judge(plan, _actor(report, bench))
        rows = [_judged(row, judged) for row in step_reports(skill, plan)]
        report = report.model_copy(update={"plan": plan.id, "steps": rows})
    if not report.order.execute:
        return report.model_copy(update={"status": RunStatus.DRY_RUN, "answer": _answer(report)})
    denied = any(s.verdict is Verdict.DENY for s in report.steps)
    return report.model_copy(update={"status": RunStatus.BLOCKED}) if denied else report


async def act(report: Report, bench: Bench) -> Report:
    """5: the next action, exactly one, through the guard."""
    row = next_step(report)
    assert row is not None, "routing sends only runs with a step left"
    opened(report, bench)
    receipt = await bench.guard.apply(report.plan, row.id, _actor(report, bench), row.approval)
    return _with_step(report, _carried_out(row, receipt))


async def verify_visible(report: Report, bench: Bench) -> Report:
    """6: the success criteria, with the patience that they name."""
    _, skill = opened(report, bench)
    report = report.model_copy(update={"visible": await see_all(skill.success_criteria, bench)})
    return await second_opinion(report, skill, bench) if report.order.verifier == "llm" else report


async def verify_hidden(report: Report, bench: Bench) -> Report:
    """7: what only the verifier knows; the report keeps how many held, not what they look at."""
    package, _ = opened(report, bench)
    seen = await see_all(bound_hidden(package, report.given).hidden_checks, bench)
    return report.model_copy(update={"hidden": [_masked(n, one) for n, one in enumerate(seen, 1)]})


async def take_back(report: Report, bench: Bench) -> Report:
    """One compensation, newest step first, with the undo that the guard recorded before the deed."""
    row = next_undo(report)
    assert row is not None, "routing sends only runs with something to take back"
    receipt = await bench.guard.compensate(report.plan, row.id, _actor(report, bench))
    if receipt.verdict is Verdict.ASK and receipt.approval_id and not row.asked_back:
        return _with_step(report, row.model_copy(update={"asked_back": receipt.approval_id}))
    done = receipt.verdict is Verdict.ALLOW and receipt.outcome in DONE
    text = (
        f"{row.summary}; taken back: {receipt.summary}" if done else f"{row.summary}; not taken back: {receipt.summary}"
    )
    ledger = [*row.ledger, *receipt.ledger]
    return _with_step(report, row.model_copy(update={"taken_back": done, "summary": text, "ledger": ledger}))


async def sign(report: Report, bench: Bench) -> Report:
    """8: why it failed, in one word, and how it ended."""
    failure = failure_of(report) if report.status is not RunStatus.DRY_RUN else None
    if failure is not None and not report.steps and report.status is RunStatus.RUNNING:
        denied = any(s.holds is False for s in (*report.visible, *report.hidden))
        found = {"status": RunStatus.NOT_FOUND} if denied else {"status": RunStatus.UNKNOWN, "failure": failure}
        return report.model_copy(update=found)
    return report.model_copy(update={"failure": failure, "status": _ended(report, failure is not None)})


async def suggest(report: Report, bench: Bench) -> Report:
    """9: a structural edit, when the failure has one."""
    if report.failure is None:
        return report
    package, skill = bench.shelf.procedure(report.order.skill)
    edit = propose(package, skill, [report], bench.words) if package.digest == report.digest else None
    return report.model_copy(update={"edit": edit})


async def write_back(report: Report, bench: Bench) -> Report:
    """10: the run goes to the store and, in a few facts, to the ledger. A field failure quarantines the skill."""
    now = bench.clock.now()
    ended = report.model_copy(update={"ended_at": now, "seconds": _seconds(report.started_at, now)})
    bench.store.save(ended)
    change = ended.incident or ended.id
    await bench.note("observation", change, _facts(ended))
    standing = after_field_run(ended, now)
    if standing is not None:
        bench.store.stand(standing)
        await bench.note("decision", change, {"event": "skill.quarantined", **standing.model_dump(mode="json")})
    return ended


def next_step(report: Report) -> StepReport | None:
    """The first step that was not begun; None after one that did not end well."""
    for row in report.steps:
        if row.outcome is None and row.verdict is not Verdict.DENY:
            return row
        if row.outcome not in DONE:
            return None
    return None


def next_undo(report: Report) -> StepReport | None:
    """The newest step that changed something, can be taken back and was not tried; none after one that failed."""
    if any(row.taken_back is False for row in report.steps):
        return None
    changed = (r for r in reversed(report.steps) if r.outcome is Outcome.SUCCEEDED and r.undo is not None)
    return next((r for r in changed if r.taken_back is None), None)


def all_hold(seen: Sequence[Seen]) -> bool:
    """Cannot tell is no yes."""
    return all(one.holds is True for one in seen)


def _ended(report: Report, failed: bool) -> RunStatus:
    if report.status in (RunStatus.BLOCKED, RunStatus.DRY_RUN):
        return report.status
    if any(s.outcome is Outcome.UNKNOWN for s in report.steps):
        return RunStatus.UNKNOWN
    if not failed:
        return RunStatus.SUCCEEDED
    if not report.mutated and any(s.verdict is Verdict.DENY for s in report.steps):
        return RunStatus.BLOCKED
    changed = [s for s in report.steps if s.outcome in (Outcome.SUCCEEDED, Outcome.FAILED)]
    back = bool(changed) and all(s.taken_back or s.outcome is Outcome.FAILED for s in changed)
    return RunStatus.ROLLED_BACK if back and any(s.taken_back for s in changed) else RunStatus.FAILED


def _answer(report: Report) -> DryRun:
    """Of the whole: it would change something if any step would; it cannot be told if any step or precondition cannot."""
    answers = [s.dry_run or DryRun.CANNOT_TELL for s in report.steps]
    unsure = any(seen.holds is None for seen in report.preconditions)
    if DryRun.CANNOT_TELL in answers or unsure:
        return DryRun.CANNOT_TELL
    unmet = report.gate is not None and any(seen.holds is False for seen in report.preconditions)
    return DryRun.WOULD_CHANGE if DryRun.WOULD_CHANGE in answers and not unmet else DryRun.NO_CHANGE


def _judged(row: StepReport, judgements: Sequence[Judgement]) -> StepReport:
    found = next(j for j in judgements if j.step_id == row.id)
    denied = "; ".join(r.text for r in found.reasons if r.verdict is Verdict.DENY)
    return row.model_copy(
        update={
            "verdict": found.verdict,
            "reasons": [r for r in found.reasons if r.verdict is not Verdict.ALLOW],
            "approval": found.approval_id,
            "dry_run": found.dry_run.answer if found.dry_run else None,
            "would": found.dry_run.summary if found.dry_run else "",
            "summary": denied,
        }
    )


def _carried_out(row: StepReport, receipt: Receipt) -> StepReport:
    begun = receipt.verdict is Verdict.ALLOW
    return row.model_copy(
        update={
            "verdict": receipt.verdict,
            "outcome": receipt.outcome if begun else None,
            "summary": receipt.summary,
            "reasons": [r for r in receipt.reasons if r.verdict is not Verdict.ALLOW],
            "undo": receipt.undo,
            "ledger": [*row.ledger, *receipt.ledger],
            "approval": receipt.approval_id or row.approval,
            "seconds": receipt.seconds,
        }
    )


def _with_step(report: Report, row: StepReport) -> Report:
    return report.model_copy(update={"steps": [row if s.id == row.id else s for s in report.steps]})


def _masked(number: int, seen: Seen) -> Seen:
    words = {True: "held", False: "did not hold", None: "could not be told"}
    return seen.model_copy(update={"name": f"hidden-{number}", "text": f"a hidden check {words[seen.holds]}"})


def _target(report: Report, bench: Bench) -> str:
    """The service that the run is about: its target parameter, else its first action's target, else the first one."""
    _, skill = bench.shelf.procedure(report.order.skill)
    named = target_parameter(skill)
    if named:
        return str(report.given[named])
    _, filled = opened(report, bench)
    checks = (*filled.preconditions, *filled.success_criteria)
    candidates = [a.target for a in filled.actions] + [c.service for c in checks if c.service]
    return str(next(iter(candidates), bench.inventory.names()[0]))


def _environment(report: Report, bench: Bench) -> Environment:
    service = bench.inventory.service(_target(report, bench))
    return service.environment if service else Environment.PRODUCTION


def _actor(report: Report, bench: Bench) -> Actor:
    return Actor(agent=bench.agent, change=report.id, thread=report.id, run=report.id)


def _seconds(begun: datetime, now: datetime) -> float:
    return round((now - begun).total_seconds(), 2)


def _facts(report: Report) -> dict[str, Any]:
    """What the ledger keeps of a run beside the steps' own entries."""
    return {
        "event": "skill.ran",
        "run": report.id,
        "skill": report.order.skill,
        "version": report.version,
        "digest": report.digest,
        "trust": report.trust,
        "status": report.status.value,
        "steps": {s.name: s.outcome.value if s.outcome else "not begun" for s in report.steps},
        "visible": {s.name: s.holds for s in report.visible},
        "hidden_held": sum(s.holds is True for s in report.hidden),
        "hidden": len(report.hidden),
        "signature": report.failure.signature if report.failure else "",
    }
