"""What would remove what is seen: findings joined with what actions say they remove, on targets that have the binding.

There is no list of faults here. A step exists because a reading shows a condition, a registered action declares that it
removes this condition, and the place where it was seen (or something that depends on it) has the binding the action needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agents.reasoners.rules.arguments import fill
from domain.action import ActionCall, ActionSpec, Effect
from domain.conditions import Finding, findings
from domain.reasoning import PlanAnswer, PlanQuestion, ProposedStep

_GENTLENESS = {Effect.TRANSIENT: 0, Effect.REVERSIBLE: 1, Effect.IRREVERSIBLE: 2, Effect.READ: 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One action that could remove one finding."""

    finding: Finding
    spec: ActionSpec
    call: ActionCall
    distance: int
    """0: the target is where it was seen; n: it depends on that place over n links."""

    @property
    def order(self) -> tuple[bool, int, int, int, str]:
        """What cannot be undone comes last; then the nearest, most specific, gentlest."""
        irreversible = self.spec.effect is Effect.IRREVERSIBLE
        return (irreversible, self.distance, len(self.spec.removes), _GENTLENESS[self.spec.effect], self.spec.name)


def propose(question: PlanQuestion) -> PlanAnswer:
    """Steps in order: causes first, processes last, so that a restart meets a mended world."""
    seen = findings(question.hypothesis.details, question.hypothesis.service)
    causes = [f for f in seen if not f.condition.startswith("process.")]
    processes = [f for f in seen if f.condition.startswith("process.")]
    chosen: list[Candidate] = []
    for finding in causes:
        _choose(chosen, candidates(question, finding), _tried(question))
    done_before = set() if chosen else _tried(question)
    for finding in processes:
        _choose(chosen, candidates(question, finding), done_before)
    steps = [_step(c, question) for c in chosen]
    return PlanAnswer(steps=steps, summary=_summary(steps), source="rules")


def candidates(question: PlanQuestion, finding: Finding) -> list[Candidate]:
    """All ways to remove one finding, best first; refused ones are left out."""
    found: list[Candidate] = []
    for spec in question.actions:
        if finding.condition.value not in spec.removes or not spec.effect.mutating:
            continue
        for distance, target in enumerate(_places(question, finding)):
            if not has_binding(spec, question.targets.get(target, [])):
                continue
            args = fill(spec, finding.facts, _options(question, target))
            if args is not None and f"{spec.name} {target}" not in question.refused:
                call = ActionCall(action=spec.name, target=target, args=args)
                found.append(Candidate(finding=finding, spec=spec, call=call, distance=distance))
            break
    return sorted(found, key=lambda c: c.order)


def has_binding(spec: ActionSpec, aspects: Sequence[str]) -> bool:
    """Whether one of the aspects that the action can work with is bound; an action without needs always fits."""
    return not spec.binding or any(aspect in aspects for aspect in spec.binding.split("|"))


def _choose(chosen: list[Candidate], offers: list[Candidate], tried: set[str]) -> None:
    taken = {_pair(c.call) for c in chosen}
    for offer in offers:
        if _pair(offer.call) in taken:
            return
        if _pair(offer.call) not in tried:
            chosen.append(offer)
            return


def _places(question: PlanQuestion, finding: Finding) -> list[str]:
    """Where a change could help: the named target, the place itself, then whatever depends on it, nearest first."""
    places = [finding.target] if finding.target else []
    frontier = [finding.service]
    while frontier:
        place = frontier.pop(0)
        if place not in places:
            places.append(place)
        frontier += [s for s, needs in question.depends_on.items() if place in needs and s not in places]
    return places


def _options(question: PlanQuestion, target: str) -> dict[str, Any]:
    return question.options.get(target, {})


def _pair(call: ActionCall) -> str:
    return f"{call.action} {call.target}"


def _tried(question: PlanQuestion) -> set[str]:
    return {f"{r.action} {r.target}" for r in question.tried if not r.compensation}


def _step(candidate: Candidate, question: PlanQuestion) -> ProposedStep:
    evidence = candidate.finding.evidence or question.hypothesis.evidence[:3]
    cited = "".join(f" [{e}]" for e in evidence)
    where = candidate.finding.service
    reason = f"{candidate.finding.condition.value} was read at {where}{cited}; {candidate.spec.name} removes that"
    return ProposedStep(call=candidate.call, rationale=reason, evidence=list(evidence))


def _summary(steps: Sequence[ProposedStep]) -> str:
    if not steps:
        return "no registered action removes what was read, on anything that is bound"
    return ", then ".join(f"{s.call.action} on {s.call.target}" for s in steps)
