"""Skills in an incident: a trusted one goes before loose actions, and the plan says which one and how it fared."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace

from agents.planner import PlanRequest, Proposal, assemble, plan_question
from domain.diagnosis import Hypothesis
from domain.errors import FirebreakError
from domain.plan import Plan
from domain.reasoning import PlanAnswer, ProposedStep
from skills.arguments import arguments, bound, target_parameter
from skills.bench import Bench
from skills.executor import all_hold, sign, suggest, verify_hidden, verify_visible, write_back
from skills.experience import experience
from skills.field import MARK, Used, field_report, standing_of, told
from skills.folder import Package
from skills.look import see_all
from skills.problem import SkillError
from skills.reading import read_arguments
from skills.report import Report, RunStatus
from skills.schema import Skill, Stage
from skills.store import Trust
from skills.track import track_of
from skills.trust import trust_of

PROOF_S = 60.0
"""How long a skill's own checks may take after a cure, in seconds: the incident is told already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """A trusted skill for this hypothesis, with everything filled in."""

    package: Package
    skill: Skill
    record: str


class IncidentSkills:
    """Asked by the node that plans. Never raises: a skill that cannot be used leaves the plan as it was."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    async def prefer(self, request: PlanRequest, proposal: Proposal) -> Proposal:
        """The same proposal, or one of a trusted skill for the same hypothesis."""
        hypothesis = proposal.hypothesis
        if hypothesis is None or hypothesis.fault_class is None:
            return proposal
        for package, skill in self._trusted(hypothesis):
            with suppress(FirebreakError):
                fitting = await self._fitting(package, skill, hypothesis)
                if fitting is not None and (plan := await self._plan(fitting, request, hypothesis)) is not None:
                    note = f"{plan.source}: {fitting.record}; it goes before loose actions"
                    return replace(proposal, plan=plan, notes=[*proposal.notes, note])
        return proposal

    def _trusted(self, hypothesis: Hypothesis) -> list[tuple[Package, Skill]]:
        """The trusted ones for this cause, those that fared best here first."""
        bench, found = self._bench, []
        for name in bench.shelf.names():
            with suppress(FirebreakError):
                # what nobody ever said anything about is not worth reading
                if bench.store.history(name) and self._is_for(*(known := bench.shelf.procedure(name)), hypothesis):
                    past = experience(name, known[0].digest, bench.store.runs(name), bench.clock.now())
                    found.append((-past.confidence, known))
        return [known for _, known in sorted(found, key=lambda row: row[0])]

    async def settle(self, used: Used) -> str:
        """What became of a skill's plan goes to the skill's record, once; the record in words, empty when no skill wrote it."""
        if not used.skill:
            return ""
        run_id = f"skr-{used.plan.id}"
        try:
            report = self._bench.store.known_run(run_id) or await self._settled(used, run_id)
        except FirebreakError as error:
            return f"skill {used.skill}: its record could not be kept: {error.message}"
        record = track_of(self._bench.store.runs(used.skill), report.digest).words()
        return told(report, record)

    async def _settled(self, used: Used, run_id: str) -> Report:
        """Its criteria and hidden checks where the incident was cured, then as after any run: signature, edit, write-back."""
        bench = self._bench
        package, skill = bench.shelf.procedure(used.skill)
        standing = standing_of(used, bench.store.history(used.skill))
        if standing is None or standing.digest != package.digest:
            raise SkillError(f"{used.skill} changed since it planned", expected=used.version, found=package.digest)
        given = arguments(skill, bench.inventory, self._target(skill, used.plan.service or ""), {})
        report = field_report(used, standing, bound(skill, given), given, run_id)
        if report.status is RunStatus.RUNNING and all_hold(report.visible):
            report = await self._proved(report)
        for step in (sign, suggest, write_back):
            report = await step(report, bench)
        return report

    async def _proved(self, report: Report) -> Report:
        """With the skill's own criteria and hidden checks; what changed since or takes too long is said, not judged."""
        try:
            async with asyncio.timeout(PROOF_S):
                seen = await verify_hidden(await verify_visible(report, self._bench), self._bench)
        except (FirebreakError, TimeoutError) as error:
            why = error.message if isinstance(error, FirebreakError) else f"they took longer than {PROOF_S:.0f} s"
            return report.model_copy(update={"notes": [*report.notes, f"its own checks were not looked at: {why}"]})
        return seen.model_copy(update={"visible": [*report.visible, *seen.visible]})

    def _is_for(self, package: Package, skill: Skill, hypothesis: Hypothesis) -> bool:
        recovery = skill.metadata.stage is Stage.RECOVERY and bool(skill.actions)
        fits = hypothesis.fault_class in skill.metadata.fault_classes
        return recovery and fits and trust_of(package, self._bench.store) is Trust.TRUSTED

    async def _fitting(self, package: Package, skill: Skill, hypothesis: Hypothesis) -> Fitting | None:
        """With the suspected service as its target where the kind fits, else its default; None when it would be blocked."""
        bench = self._bench
        filled = bound(skill, arguments(skill, bench.inventory, self._target(skill, hypothesis.service), {}))
        if not all_hold(await see_all(filled.preconditions, bench)):
            return None
        record = track_of(bench.store.runs(skill.name), package.digest).words()
        return Fitting(package=package, skill=filled, record=record)

    def _target(self, skill: Skill, suspected: str) -> str:
        """The suspected service where the skill takes one of its kind; empty: the skill's own default."""
        named, service = target_parameter(skill), self._bench.inventory.service(suspected)
        if named is None or service is None:
            return ""
        return suspected if service.kind in (skill.parameters[named].kinds or [service.kind]) else ""

    async def _plan(self, fitting: Fitting, request: PlanRequest, hypothesis: Hypothesis) -> Plan | None:
        """Its actions as steps; None when one is not registered, was refused, or was tried without success."""
        skill, known = fitting.skill, {s.name for s in request.actions}
        read = await read_arguments(skill, self._bench)
        spent = {f"{r.action} {r.target}" for r in request.tried} | set(request.refused)
        cited = hypothesis.evidence[:3]
        marks = "".join(f" [{e}]" for e in cited)
        steps = []
        for action in skill.actions:
            if action.action is None or action.action not in known or f"{action.action} {action.target}" in spent:
                return None
            call = {"action": action.action, "target": action.target, "args": action.args | read.get(action.name, {})}
            why = f"step {action.name} of skill {skill.name}, {fitting.record}{marks}"
            steps.append(ProposedStep.model_validate({"call": call, "rationale": why, "evidence": cited}))
        answer = PlanAnswer(steps=steps, summary=f"{skill.intent} ({fitting.record})")
        source = f"{MARK}{skill.name} {skill.version} (trusted)"
        return assemble(request, hypothesis, plan_question(request, hypothesis), answer, source)
