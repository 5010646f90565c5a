"""Skills in an incident: a trusted one goes before loose actions, and the plan says which one and how it fared."""

from __future__ import annotations

from dataclasses import dataclass, replace

from agents.planner import PlanRequest, Proposal, assemble, plan_question
from domain.diagnosis import Hypothesis
from domain.errors import FirebreakError
from domain.plan import Plan
from domain.reasoning import PlanAnswer, ProposedStep
from skills.arguments import arguments, bound, target_parameter
from skills.bench import Bench
from skills.executor import all_hold
from skills.folder import Package
from skills.look import see_all
from skills.reading import read_arguments
from skills.schema import Skill, Stage
from skills.store import Standing, Trust
from skills.track import track_of
from skills.trust import OUTSIDE, trust_of

MARK = "skill "
"""How the source of a plan begins that a skill wrote."""


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
        for name in self._bench.shelf.names():
            if not self._bench.store.history(name):
                continue  # nobody ever said anything about it: not worth reading
            try:
                package, skill = self._bench.shelf.procedure(name)
                if not self._is_for(package, skill, hypothesis):
                    continue
                fitting = await self._fitting(package, skill, hypothesis)
                if fitting is not None and (plan := await self._plan(fitting, request, hypothesis)) is not None:
                    note = f"{plan.source}: {fitting.record}; it goes before loose actions"
                    return replace(proposal, plan=plan, notes=[*proposal.notes, note])
            except FirebreakError:
                continue
        return proposal

    def disappointed(self, plan: Plan, incident: str) -> Standing | None:
        """A skill's plan was carried out and did not cure: the skill leaves the field. None when the plan was no skill's."""
        name = plan.source.removeprefix(MARK).split(" ", 1)[0] if plan.source.startswith(MARK) else ""
        if not name:
            return None
        try:
            package, skill = self._bench.shelf.procedure(name)
        except FirebreakError:
            return None
        standing = Standing(
            skill=name,
            version=skill.version,
            digest=package.digest,
            trust=Trust.QUARANTINED,
            by=OUTSIDE,
            reason=f"its plan {plan.id} did not cure {incident}",
            at=self._bench.clock.now(),
            evidence=[incident, plan.id],
        )
        self._bench.store.stand(standing)
        return standing

    def _is_for(self, package: Package, skill: Skill, hypothesis: Hypothesis) -> bool:
        recovery = skill.metadata.stage is Stage.RECOVERY and bool(skill.actions)
        fits = hypothesis.fault_class in skill.metadata.fault_classes
        return recovery and fits and trust_of(package, self._bench.store) is Trust.TRUSTED

    async def _fitting(self, package: Package, skill: Skill, hypothesis: Hypothesis) -> Fitting | None:
        """With the suspected service as its target where the kind fits, else its default; None when it would be blocked."""
        bench, named = self._bench, target_parameter(skill)
        service = bench.inventory.service(hypothesis.service)
        kinds = skill.parameters[named].kinds if named else []
        target = (
            hypothesis.service if named and service is not None and service.kind in (kinds or [service.kind]) else ""
        )
        filled = bound(skill, arguments(skill, bench.inventory, target, {}))
        if not all_hold(await see_all(filled.preconditions, bench)):
            return None
        record = track_of(bench.store.runs(skill.name), package.digest).words()
        return Fitting(package=package, skill=filled, record=record)

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
