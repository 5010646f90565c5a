"""A rehearsal: break what the skill claims to mend, see every criterion fail, run it, see them hold, take it back, compare.

For a skill that only looks the same question is put to its criteria alone: each must read differently on the broken and on
the healthy system, or it says nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.errors import ConflictError, FirebreakError
from domain.injection import FaultInjector, FaultRow
from skills.arguments import bound, target_parameter
from skills.bench import Bench
from skills.executor import next_undo, take_back
from skills.look import see_all
from skills.rehearsal import Rehearsal, UnderFault
from skills.report import Order, Report, RunStatus, Seen
from skills.schema import Skill

LEASE_S = 240.0
SHOWS_S = 40.0
"""How long a fault may take until every criterion has been seen failing, in seconds."""
HEALS_S = 60.0
"""How long the patient may take to look healthy again."""
QUIET_S = 120.0
"""How long diagnosis and alerts may take until they name nothing, before a skill that only looks is rehearsed."""
SILENT = ("diagnosis", "alert_groups")
"""Analyses that say of a healthy system that it is one."""
PAUSE_S = 0.7
RUN_S = 150.0
"""The longest that the run itself may take; nobody is there to answer questions."""

Run = Callable[[Order], Awaitable[Report]]
"""Runs a skill to its end, marked as part of this rehearsal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where a rehearsal takes place."""

    skill: Skill
    """With all references filled."""
    bench: Bench
    injector: FaultInjector
    run: Run
    order: Order
    """What is run: the skill on its target, for real."""


async def faults_for(skill: Skill, injector: FaultInjector, target: str = "") -> list[FaultRow]:
    """Which faults it is rehearsed with here. Raises ConflictError when there is none."""
    known = await injector.injectable()
    wanted = skill.metadata.rehearse_with or skill.metadata.fault_classes
    found = [row for name in wanted for row in known if row.is_called(name, target)]
    if not found:
        raise ConflictError(
            f"{skill.name} cannot be rehearsed here",
            expected=f"one of its faults: {', '.join(wanted) or 'it names none'}",
            found=f"what can be broken here: {', '.join(sorted(row.name for row in known))}",
        )
    return found


async def under(fault: FaultRow, stage: Stage) -> UnderFault:
    """Everything with one fault; the fault is lifted again whatever happens."""
    healthy = await healthy_look(stage)
    if isinstance(healthy, str):
        return UnderFault(fault=fault.name, problems=[healthy])
    lease = await _injected(fault, stage)
    try:
        found = await _broken(fault, stage, healthy)
        return found if fault.abstain or not stage.skill.actions else await _mended(found, stage)
    finally:
        await stage.injector.lift(lease)


async def _injected(fault: FaultRow, stage: Stage) -> str:
    """The lease; a fault of before that is still being restored is waited for. Raises ConflictError when it stays."""
    deadline = stage.bench.clock.monotonic() + HEALS_S
    while True:
        try:
            return await stage.injector.inject(fault.name, lease_s=LEASE_S)
        except ConflictError:
            if stage.bench.clock.monotonic() >= deadline:
                raise
            await stage.bench.clock.sleep(PAUSE_S)


async def healthy_look(stage: Stage) -> list[Seen] | str:
    """The criteria on the healthy system, or why it is none.

    A cure's criteria hold there. A look's may say either, so there the product's own diagnosis and alerts must be silent first.
    """
    cures = bool(stage.skill.actions)
    deadline = stage.bench.clock.monotonic() + (HEALS_S if cures else QUIET_S)
    while True:
        unwell = "" if cures else await _unwell(stage)
        seen = await see_all(stage.skill.success_criteria, stage.bench, patient=False)
        if not unwell and all(s.holds is True if cures else s.holds is not None for s in seen):
            return seen
        if stage.bench.clock.monotonic() >= deadline:
            wrong = unwell or "; ".join(f"{s.name}: {s.text}" for s in seen if s.holds is not True)
            return f"the system is not healthy before anything was broken: {wrong}"[:400]
        await stage.bench.clock.sleep(PAUSE_S)


async def _unwell(stage: Stage) -> str:
    """What the analyses name as wrong now; empty when they name nothing, or are not made here."""
    known = [name for name in SILENT if name in stage.bench.words.probes]
    try:
        rows = await stage.bench.probes.run(known, stage.bench.inventory.names()) if known else []
    except FirebreakError:
        return ""
    return "; ".join(dict.fromkeys(row.text for row in rows if row.ok is False))


async def _broken(fault: FaultRow, stage: Stage, healthy: Sequence[Seen]) -> UnderFault:
    """Look until every criterion was seen to differ; under a fault that breaks nothing none may."""
    normal = {s.name: s.holds for s in healthy}
    differed: dict[str, Seen] = {}
    last = list(healthy)
    deadline = stage.bench.clock.monotonic() + (SHOWS_S / 4 if fault.abstain else SHOWS_S)
    while len(differed) < len(normal) and stage.bench.clock.monotonic() < deadline:
        last = await see_all(stage.skill.success_criteria, stage.bench, patient=False)
        differed |= {s.name: s for s in last if s.holds is (not normal[s.name]) and s.name not in differed}
        await stage.bench.clock.sleep(PAUSE_S)
    same = sorted(set(normal) - set(differed))
    problems = [f"{name} reads the same with and without {fault.name}" for name in same if stage.skill.actions]
    if fault.abstain:
        problems = [f"{name} sees something wrong under {fault.name}" for name in sorted(differed)]
    return UnderFault(
        fault=fault.name,
        discriminates={name: name in differed for name in normal},
        before=[differed.get(s.name, s) for s in last],
        problems=problems,
    )


async def _mended(found: UnderFault, stage: Stage) -> UnderFault:
    """Run it under the standing fault, then take it back and see that all is as before."""
    try:
        async with asyncio.timeout(RUN_S):
            report = await stage.run(stage.order)
    except TimeoutError:
        text = f"the run under {found.fault} did not end within {RUN_S:.0f} s: it may wait for a person's approval"
        return found.model_copy(update={"problems": [*found.problems, text]})
    problems = list(found.problems)
    if report.status is not RunStatus.SUCCEEDED:
        why = report.failure.text if report.failure else ""
        problems.append(f"run {report.id} under {found.fault}: {report.status.value}. {why}"[:400])
    problems += _observed(report, stage.skill)
    back, taken = await _back(report, stage)
    refused = [s for s in back.steps if s.taken_back is False]
    problems += [f"{s.name}: {s.summary}" for s in refused]
    update = {
        "run": report.id,
        "status": report.status.value,
        "verifier": report.verifier,
        "taken_back": taken,
        "back_as_before": not refused if taken or refused else None,
        "shows_again": await _shows_again(stage) if taken else None,
        "problems": problems,
    }
    return found.model_copy(update=update)


def _observed(report: Report, skill: Skill) -> list[str]:
    """The effect as observed against the one declared: what says that it can be taken back must leave an undo behind."""
    covered = {c.undoes for c in skill.rollback}
    return [
        f"{step.name} is declared reversible, and the guard recorded no undo of it"
        for step in report.steps
        if step.name in covered and step.undo is None and step.outcome == "succeeded"
    ]


async def _back(report: Report, stage: Stage) -> tuple[Report, list[str]]:
    taken: list[str] = []
    while (row := next_undo(report)) is not None:
        report = await take_back(report, stage.bench)
        taken += [row.name] if next(s for s in report.steps if s.id == row.id).taken_back else []
    return report, taken


async def _shows_again(stage: Stage) -> bool:
    """Whether the symptoms come back with the fault still standing. A workload that was cut off may need longer than this."""
    deadline = stage.bench.clock.monotonic() + SHOWS_S / 2
    while stage.bench.clock.monotonic() < deadline:
        seen = await see_all(stage.skill.preconditions, stage.bench, patient=False)
        if all(s.holds is True for s in seen):
            return True
        await stage.bench.clock.sleep(PAUSE_S)
    return False


def blind_criteria(skill: Skill, faults: Sequence[UnderFault]) -> list[str]:
    """Criteria of a skill that only looks which no fault made read differently."""
    if skill.actions:
        return []
    names = [c.name for c in skill.success_criteria]
    return [
        f"{name} reads the same on a broken and on a healthy system"
        for name in names
        if not any(f.discriminates.get(name) for f in faults)
    ]


async def rehearse(rehearsal: Rehearsal, stage: Stage, save: Callable[[Rehearsal], None]) -> Rehearsal:
    """All faults in turn; saved after each. A patient that is ill before anything is broken ends it, as errors of the world do:
    the other faults would find it no better, and it says nothing against a criterion."""
    found: list[UnderFault] = []
    problems: list[str] = []
    try:
        for fault in await faults_for(stage.skill, stage.injector, stage.order.target):
            found.append(await under(fault, stage))
            rehearsal = rehearsal.model_copy(update={"faults": list(found)})
            save(rehearsal)
            if not found[-1].discriminates:
                break
        else:
            problems += blind_criteria(stage.skill, found)
    except FirebreakError as error:
        problems.append("; ".join(error.lines()))
    ended = {"problems": problems, "ended_at": stage.bench.clock.now()}
    rehearsal = rehearsal.model_copy(update=ended)
    save(rehearsal)
    return rehearsal


def order_for(skill: Skill, given: Mapping[str, Any]) -> Order:
    """The run of a rehearsal, with every parameter said."""
    named = target_parameter(skill)
    rest = {name: value for name, value in given.items() if name != named}
    target = str(given[named]) if named else ""
    return Order(skill=skill.name, target=target, parameters=rest, execute=True, allow_mutation=True)


def stage_for(skill: Skill, given: Mapping[str, Any], bench: Bench, injector: FaultInjector, run: Run) -> Stage:
    """A stage with the parameters filled in."""
    return Stage(skill=bound(skill, given), bench=bench, injector=injector, run=run, order=order_for(skill, given))
