"""The planner: from a diagnosis to steps, each with its undo or the open word that there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agents.asking import ask
from agents.reasoners.rules.arguments import fill_undo
from agents.reasoners.rules.planning import candidates, has_binding, propose
from domain.action import ActionCall, ActionSpec
from domain.conditions import findings
from domain.diagnosis import Diagnosis, Evidence, Hypothesis
from domain.inventory import Inventory
from domain.plan import Criterion, Plan, Step, StepResult
from domain.reasoning import PlanAnswer, PlanQuestion, ProposedStep, Reasoner
from domain.redaction import redact, redact_json
from domain.value import new_id

CONFIDENCE_FLOOR = 0.2
"""A hypothesis below this is no ground for changing anything."""
MAX_STEPS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """All that a plan may rest on."""

    incident: str
    revision: int
    diagnosis: Diagnosis
    actions: Sequence[ActionSpec]
    inventory: Inventory
    tried: Sequence[StepResult] = ()
    refused: Sequence[str] = ()
    runbooks: Sequence[str] = ()
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A plan (without steps: nothing safe to do), and what was left out and why."""

    plan: Plan
    hypothesis: Hypothesis | None
    notes: list[str]
    by: str
    fell_back: str


class Planner:
    """Asks a mind, grounds its steps, and goes on to the next hypothesis when nothing is left of them."""

    def __init__(self, reasoner: Reasoner) -> None:
        self._reasoner = reasoner

    async def plan(self, request: PlanRequest) -> Proposal:
        """The first hypothesis that something can be done about wins. Raises what the reasoner raises."""
        notes: list[str] = []
        by, fell_back = "rules", ""
        for place, hypothesis in enumerate(plausible(request.diagnosis)):
            question = plan_question(request, hypothesis)
            answer = propose(question)
            if place == 0:
                answered = await ask(self._reasoner, question)
                by, fell_back = answered.by, answered.fell_back
                kept, dropped = ground_steps(answered.answer.steps, question)
                notes += dropped
                if kept:
                    answer = answered.answer.model_copy(update={"steps": kept})
                elif by != "rules":
                    by, fell_back = "rules", f"{by} proposed no step that stands"
            if answer.steps:
                plan = assemble(request, hypothesis, question, answer, by if place == 0 else "rules")
                return Proposal(plan=plan, hypothesis=hypothesis, notes=notes, by=by, fell_back=fell_back)
        empty = _plan(request, request.diagnosis.top, [], "nothing registered removes what was read", by)
        return Proposal(plan=empty, hypothesis=None, notes=notes, by=by, fell_back=fell_back)


def plausible(diagnosis: Diagnosis) -> list[Hypothesis]:
    """Hypotheses worth acting on, best first; never one that only a model holds."""
    return [h for h in diagnosis.hypotheses if h.confidence >= CONFIDENCE_FLOOR and not h.by][:3]


def plan_question(request: PlanRequest, hypothesis: Hypothesis) -> PlanQuestion:
    """The question with redacted, plain facts only."""
    services = request.inventory.services
    return PlanQuestion(
        hypothesis=_redacted(hypothesis),
        diagnosis=request.diagnosis,
        actions=list(request.actions),
        targets={s.name: sorted(s.bindings) for s in services},
        depends_on={s.name: list(s.depends_on) for s in services},
        options={s.name: _bounds([b.options for b in s.bindings.values()]) for s in services},
        tried=list(request.tried),
        refused=list(request.refused),
        runbooks=list(request.runbooks),
    )


def ground_steps(steps: Sequence[ProposedStep], question: PlanQuestion) -> tuple[list[ProposedStep], list[str]]:
    """Steps that name a known action and target, rest on existing evidence and remove something that was read."""
    kept: list[ProposedStep] = []
    notes: list[str] = []
    specs = {s.name: s for s in question.actions}
    for step in steps[:MAX_STEPS]:
        problem = _problem(step, specs.get(step.call.action), question)
        if problem:
            notes.append(f"dropped {step.call.action} on {step.call.target}: {problem}")
        else:
            known = {e.id for e in question.diagnosis.evidence}
            kept.append(step.model_copy(update={"evidence": [e for e in step.evidence if e in known]}))
    return kept, notes


def _problem(step: ProposedStep, spec: ActionSpec | None, question: PlanQuestion) -> str:
    if spec is None:
        return "no such action is registered"
    if step.call.target not in question.targets:
        return "no such target in the inventory"
    if not has_binding(spec, question.targets[step.call.target]):
        return f"the target has no {spec.binding} binding"
    if f"{step.call.action} {step.call.target}" in question.refused:
        return "it was refused in this incident"
    if not {e.id for e in question.diagnosis.evidence} & set(step.evidence):
        return "it cites no evidence that exists"
    seen = findings(question.hypothesis.details, question.hypothesis.service)
    offers = [c.call for f in seen for c in candidates(question, f)]
    if step.call.action not in {o.action for o in offers if o.target == step.call.target}:
        return "it removes nothing that was read there"
    return ""


def assemble(
    request: PlanRequest, hypothesis: Hypothesis, question: PlanQuestion, answer: PlanAnswer, source: str
) -> Plan:
    """Proposed steps as a plan: ids, undo, criteria, tainted arguments."""
    specs = {s.name: s for s in request.actions}
    seen = findings(hypothesis.details, hypothesis.service)
    safe = [c.call for f in seen for c in candidates(question, f)]
    steps = []
    for number, proposed in enumerate(answer.steps, 1):
        spec = specs[proposed.call.action]
        finding = next((f for f in seen if f.condition.value in spec.removes), None)
        undo = undo_call(spec, specs, proposed.call, finding.facts if finding else {})
        steps.append(
            Step(
                id=f"r{request.revision}s{number}",
                call=proposed.call,
                effect=spec.effect,
                rationale=proposed.rationale,
                evidence=proposed.evidence,
                undo=undo,
                cannot_undo="" if undo else spec.no_undo_reason or f"{spec.name} names no action that takes it back",
                criteria=criteria(request, hypothesis),
                tainted_args=tainted_args(proposed.call, safe),
            )
        )
    return _plan(request, hypothesis, steps, answer.summary, source)


def undo_call(
    spec: ActionSpec, specs: Mapping[str, ActionSpec], call: ActionCall, facts: Mapping[str, Any]
) -> ActionCall | None:
    """The call that takes a step back, as far as the present state tells; the exact one is captured before the deed."""
    other = specs.get(spec.undo)
    if other is None:
        return None
    return ActionCall(action=other.name, target=call.target, args=fill_undo(other, facts) or {})


def tainted_args(call: ActionCall, safe: Sequence[ActionCall]) -> list[str]:
    """Names of arguments whose value does not come from readings and bindings."""
    for other in safe:
        if (other.action, other.target) == (call.action, call.target):
            return sorted(n for n, v in call.args.items() if other.args.get(n) != v)
    return sorted(call.args)


def criteria(request: PlanRequest, hypothesis: Hypothesis) -> list[Criterion]:
    """Users are served again, and the reading that showed the cause no longer shows it."""
    users = [
        Criterion(probe="http_health", service=s.name, expect=f"{p.name} answers as users expect")
        for s in request.inventory.services
        for p in s.probes
        if p.kind == "http" and p.user_facing
    ]
    return users + [_cause_criterion(e) for e in _cause_readings(request.diagnosis, hypothesis)]


def _cause_readings(diagnosis: Diagnosis, hypothesis: Hypothesis) -> list[Evidence]:
    return [e for e in diagnosis.evidence if e.id in hypothesis.evidence and e.source.startswith("probe:")][:2]


def _cause_criterion(evidence: Evidence) -> Criterion:
    probe = evidence.source.removeprefix("probe:")
    return Criterion(
        probe=probe, service=evidence.service, expect=f"the cause is gone: {evidence.supports or evidence.excerpt}"
    )


def _plan(request: PlanRequest, hypothesis: Hypothesis | None, steps: list[Step], summary: str, source: str) -> Plan:
    return Plan(
        id=new_id("plan"),
        incident=request.incident,
        revision=request.revision,
        hypothesis=hypothesis.statement if hypothesis else "",
        confidence=hypothesis.confidence if hypothesis else None,
        fault_class=hypothesis.fault_class if hypothesis else None,
        service=hypothesis.service if hypothesis else None,
        steps=steps,
        summary=redact(summary),
        source=source,
        created_at=request.now,
    )


def _bounds(options: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Options that bound an argument; names of environment variables and files are nobody's business."""
    wanted = ("routes", "providers", "min", "max", "expected", "dependency", "link", "versions")
    return {name: bag[name] for bag in options for name in wanted if name in bag}


def _redacted(hypothesis: Hypothesis) -> Hypothesis:
    return hypothesis.model_copy(update={"details": redact_json(hypothesis.details)})
