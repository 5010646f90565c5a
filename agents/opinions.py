"""What a model's opinions may do to a diagnosis: lower, add below what the evidence carries, and nothing else. Pure.

The laws (each has a property test): every hypothesis of the engine stays, in the engine's order; none is believed more than
before; the first stays the first; a fault or an external cause may become inconclusive, no verdict may become anything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agents.citing import observations, says_no_more
from agents.perception.verdict import FAULT
from domain.diagnosis import Diagnosis, DiagnosisVerdict, Hypothesis
from domain.faults import FAULT_CLASSES, OTHER
from domain.reasoning import Opinion

LEAST_SHARE = 0.6
"""All opinions together take at most 40 % of a confidence away; readings outweigh opinions."""
ADDED_CEILING = 0.3
"""A hypothesis that only an opinion holds stays below this, and so below what anything is done about."""
NOT_THEIRS = 0.5
"""What evidence is worth for a service that none of the engine's hypotheses on it names."""
UNUSED = 0.1
"""What evidence is worth on which no hypothesis of the engine rests."""
MOST_ADDED = 3
ACCUSES = (DiagnosisVerdict.FAULT, DiagnosisVerdict.EXTERNAL)
"""Verdicts that name a cause, and may therefore be doubted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A diagnosis after opinions, and what was said in vain, with the reason."""

    diagnosis: Diagnosis
    dropped: tuple[str, ...] = ()


def hear(diagnosis: Diagnosis, opinions: Sequence[Opinion], services: Iterable[str], by: str = "a model") -> Heard:
    """Opinions applied; without any the diagnosis is untouched."""
    known, names = observations(diagnosis), set(services)
    kept, dropped = [], []
    for opinion in opinions:
        problem = _problem(opinion, diagnosis, known, names)
        if problem:
            dropped.append(f"{problem}: {opinion.statement}"[:240])
        else:
            kept.append(opinion)
    changed = [_lowered(h, kept) for h in diagnosis.hypotheses]
    added = _added(diagnosis, kept, set(known), by)
    if not added and changed == diagnosis.hypotheses:
        return Heard(diagnosis=diagnosis, dropped=tuple(dropped))
    return Heard(diagnosis=settled(diagnosis, changed, added), dropped=tuple(dropped))


def settled(diagnosis: Diagnosis, changed: Sequence[Hypothesis], added: Sequence[Hypothesis] = ()) -> Diagnosis:
    """The diagnosis with lowered hypotheses in the engine's order and added ones among them; doubt makes nobody else the first."""
    ranked = _in_order(changed, added)
    if not ranked:
        return diagnosis
    ranked = [h.model_copy(update={"rank": place}) for place, h in enumerate(ranked, 1)]
    sure = min(diagnosis.confidence, ranked[0].confidence) if changed else diagnosis.confidence
    update: dict[str, object] = {"hypotheses": ranked}
    if diagnosis.verdict in ACCUSES:
        update["confidence"] = sure
        if sure < FAULT <= diagnosis.confidence:
            words = f"Not sure: a second opinion speaks against it. Best supported so far: {ranked[0].statement}"
            update |= {"verdict": DiagnosisVerdict.INCONCLUSIVE, "summary": words}
    return diagnosis.model_copy(update=update)


def lowered(hypothesis: Hypothesis, to: float, engine: float) -> Hypothesis:
    """Believed less, down to the share of the engine's own confidence that opinions must leave; never more."""
    floor = min(hypothesis.confidence, engine * LEAST_SHARE)
    return hypothesis.model_copy(update={"confidence": max(min(to, hypothesis.confidence), floor)})


def carried(diagnosis: Diagnosis, service: str, cited: Iterable[str]) -> float:
    """What the engine's own belief lends to an idea: of its hypotheses that rest on the same evidence the strongest about the
    same service, half of the strongest about another; next to nothing for evidence that it rests nothing on."""
    wanted = set(cited)
    shares = [
        h.confidence * (1.0 if h.service == service else NOT_THEIRS)
        for h in diagnosis.hypotheses
        if wanted & set(h.evidence)
    ]
    return max([*shares, UNUSED]) if wanted else 0.0


def _problem(opinion: Opinion, diagnosis: Diagnosis, known: Mapping[str, str], services: set[str]) -> str:
    """Why an opinion does not stand; empty when it does. Doubt needs evidence as well."""
    cited = [e for e in (*opinion.evidence, *opinion.against) if e in known]
    if not cited:
        return "cites no evidence that exists"
    if _held(opinion, diagnosis):
        return ""
    if opinion.service not in services:
        return f"names {opinion.service[:60]}, which is not looked after"
    classes = {*FAULT_CLASSES, OTHER, *(h.fault_class for h in diagnosis.hypotheses)}
    if opinion.fault_class is not None and opinion.fault_class not in classes:
        return f"names no known class ({opinion.fault_class[:60]})"
    if not [e for e in opinion.evidence if e in known]:
        return "rests on no evidence that exists"
    source = " ".join(known[e] for e in cited)
    if not says_no_more(opinion.statement, source, services - {opinion.service}):
        return "says more than it cites"
    if diagnosis.verdict in (DiagnosisVerdict.HEALTHY, DiagnosisVerdict.EXTERNAL):
        return f"accuses where the engine says {diagnosis.verdict.value}"
    return ""


def _held(opinion: Opinion, diagnosis: Diagnosis) -> bool:
    return (opinion.service, opinion.fault_class) in {(h.service, h.fault_class) for h in diagnosis.hypotheses}


def _lowered(hypothesis: Hypothesis, opinions: Sequence[Opinion]) -> Hypothesis:
    about = [o for o in opinions if (o.service, o.fault_class) == (hypothesis.service, hypothesis.fault_class)]
    said = min((o.confidence for o in about), default=hypothesis.confidence)
    return lowered(hypothesis, said, hypothesis.confidence) if said < hypothesis.confidence else hypothesis


def _added(diagnosis: Diagnosis, opinions: Sequence[Opinion], known: set[str], by: str) -> list[Hypothesis]:
    new: dict[tuple[str, str | None], Hypothesis] = {}
    for opinion in opinions:
        key = (opinion.service, opinion.fault_class)
        if not _held(opinion, diagnosis) and key not in new:
            new[key] = _hypothesis(opinion, diagnosis, known, by)
    return sorted(new.values(), key=lambda h: -h.confidence)[:MOST_ADDED]


def _hypothesis(opinion: Opinion, diagnosis: Diagnosis, known: set[str], by: str) -> Hypothesis:
    evidence = [e for e in dict.fromkeys(opinion.evidence) if e in known]
    worth = carried(diagnosis, opinion.service, evidence)
    return Hypothesis(
        rank=99,
        service=opinion.service,
        fault_class=opinion.fault_class,
        confidence=min(opinion.confidence, worth, ADDED_CEILING),
        statement=opinion.statement[:400],
        evidence=evidence,
        against=[e for e in dict.fromkeys(opinion.against) if e in known and e not in evidence],
        by=by,
    )


def _in_order(changed: Sequence[Hypothesis], added: Sequence[Hypothesis]) -> list[Hypothesis]:
    """The engine's order; who stood below a lowered one is believed no more than it. Added ones come after the first."""
    capped: list[Hypothesis] = []
    for h in changed:
        most = min(h.confidence, capped[-1].confidence) if capped else h.confidence
        capped.append(h if most == h.confidence else h.model_copy(update={"confidence": most}))
    if not capped:
        return list(added)
    below = sorted([*capped[1:], *(_below(h, capped[0]) for h in added)], key=lambda h: -h.confidence)
    return [capped[0], *below]


def _below(added: Hypothesis, first: Hypothesis) -> Hypothesis:
    return added.model_copy(update={"confidence": min(added.confidence, first.confidence)})
