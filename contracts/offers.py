"""What a developer can offer, and what each offer would buy. Two hold at once because they only tighten; the others are shown
as they would be, and count when the change itself shows them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from contracts.finding import Finding, Mark
from domain.bargaining import Heard
from domain.contract import Canary, Contract, Guardrail, Metric, OfferKind, Stage
from domain.risk import FactorName as F

AT_ONCE = frozenset({OfferKind.ADD_CANARY_STAGE, OfferKind.LOWER_RAMP})
"""Offers about the rollout: nothing has to be written for them."""
_LEAST_SHARE = 1.0
"""Percent of the traffic below which no stage starts: it would see nobody."""
_PARTS = (F.SCHEMA, F.API_BREAK, F.CACHING, F.INFRASTRUCTURE, F.PERMISSIONS, F.SECRETS, F.ROUTING, F.CONCURRENCY)


def tightened(contract: Contract, kind: OfferKind) -> Contract:
    """The contract with an offer of AT_ONCE in it. Never looser than before; unchanged when there is no room."""
    stages = contract.canary.stages or [Stage(percent=100, seconds=300)]
    more = _halved(stages) if kind is OfferKind.LOWER_RAMP else _between(stages)
    canary = contract.canary.model_copy(update={"stages": more, "reason": f"{contract.canary.reason}; {kind.value}"})
    ramp = [_ramp(g, canary) if g.metric is Metric.TRAFFIC_RAMP else g for g in contract.guardrails]
    return contract if more == stages else contract.model_copy(update={"canary": canary, "guardrails": ramp})


def as_if(findings: Sequence[Finding], kind: OfferKind) -> list[Finding]:
    """The findings of a change that did what is offered."""
    change = _CHANGES.get(kind)
    return change(findings) if change else list(findings)


def bought(before: Contract, after: Contract) -> list[str]:
    """What is different, in words; empty: nothing."""
    return list(_differences(before, after))


def heard(text: str) -> list[Heard]:
    """Which offers somebody's words may mean, with the words. They decide nothing: an offer is made by its name."""
    found = ((kind, re.search(pattern, text, re.IGNORECASE)) for kind, pattern in _MEANT.items())
    return [Heard(offer=kind, quote=said[0]) for kind, said in found if said]


def _between(stages: list[Stage]) -> list[Stage]:
    """One more stage in the middle of the largest step."""
    shares = [0.0, *(s.percent for s in stages)]
    at = max(range(len(stages)), key=lambda i: shares[i + 1] - shares[i])
    middle = round((shares[at] + shares[at + 1]) / 2, 2)
    if middle - shares[at] < _LEAST_SHARE:
        return stages
    return [*stages[:at], Stage(percent=middle, seconds=stages[at].seconds), *stages[at:]]


def _halved(stages: list[Stage]) -> list[Stage]:
    """A first stage of half the share, before the others."""
    half = round(stages[0].percent / 2, 2)
    return stages if half < _LEAST_SHARE else [Stage(percent=half, seconds=stages[0].seconds), *stages]


def _ramp(guardrail: Guardrail, canary: Canary) -> Guardrail:
    shares = [0.0, *(s.percent for s in canary.stages)]
    largest = max(after - before for before, after in itertools.pairwise(shares))
    return guardrail.model_copy(
        update={"limit": min(guardrail.limit, round(largest, 4)), "reason": "the largest share that one stage adds"}
    )


def _without(test: Callable[[Finding], bool]) -> Callable[[Sequence[Finding]], list[Finding]]:
    return lambda findings: [f for f in findings if not test(f)]


def _milder(marks: frozenset[Mark], points: float, said: str) -> Callable[[Sequence[Finding]], list[Finding]]:
    def change(findings: Sequence[Finding]) -> list[Finding]:
        mild = {"points": points, "reason": said, "marks": frozenset({Mark.SCHEMA, Mark.ADDITIVE})}
        return [f.model_copy(update=mild) if f.marks & marks else f for f in findings]

    return change


def _heaviest_alone(findings: Sequence[Finding]) -> list[Finding]:
    """Only the heaviest part, with everything that is no part."""
    parts = {f.factor for f in findings if f.factor in _PARTS}
    heaviest = max(parts, key=lambda p: max(f.points for f in findings if f.factor is p), default=None)
    return [f for f in findings if f.factor not in parts or f.factor is heaviest]


def _flagged(findings: Sequence[Finding]) -> list[Finding]:
    flag = Finding(factor=F.CONFIGURATION, points=5, reason="asks a feature flag", marks=frozenset({Mark.FLAG}))
    return [*findings, flag]


_CHANGES: Mapping[OfferKind, Callable[[Sequence[Finding]], list[Finding]]] = {
    OfferKind.SPLIT_CHANGE: _heaviest_alone,
    OfferKind.ADD_FLAG: _flagged,
    OfferKind.INDEX_CONCURRENTLY: _milder(frozenset({Mark.INDEX_BLOCKS}), 10, "builds the index concurrently"),
    OfferKind.ADD_DOWN_MIGRATION: _without(lambda f: Mark.NO_DOWN in f.marks),
    OfferKind.EXPAND_THEN_CONTRACT: _milder(
        frozenset({Mark.DROPS_DATA, Mark.BREAKS_OLD_CODE}), 15, "only adds; what is old goes in a later release"
    ),
    OfferKind.RESTORE_TESTS: _without(lambda f: f.factor is F.TESTS),
    OfferKind.RESTORE_OBSERVABILITY: _without(lambda f: f.factor is F.OBSERVABILITY),
    OfferKind.PIN_DEPENDENCY: _without(lambda f: Mark.MAJOR_UPGRADE in f.marks),
}
_MEANT: Mapping[OfferKind, str] = {
    OfferKind.SPLIT_CHANGE: r"\bsplit|\bseparate|\btwo (prs|releases|changes)|\bsmaller\b",
    OfferKind.ADD_FLAG: r"\bflag|\btoggle",
    OfferKind.ADD_CANARY_STAGE: r"\bstage|\bcanary",
    OfferKind.INDEX_CONCURRENTLY: r"\bconcurrent",
    OfferKind.ADD_DOWN_MIGRATION: r"\bdown\b|\bdowngrade|\breverse",
    OfferKind.LOWER_RAMP: r"\bramp|\bslower|\bfewer (users|requests)",
    OfferKind.EXPAND_THEN_CONTRACT: r"\bexpand|\bbackwards? compatible|\bkeep the (old|column)",
    OfferKind.RESTORE_TESTS: r"\btests?\b",
    OfferKind.RESTORE_OBSERVABILITY: r"\bmetrics?|\blogs?\b|\balerts?",
    OfferKind.PIN_DEPENDENCY: r"\bpin\b|\bupgrade later",
    OfferKind.ADD_REVIEWER: r"\breview",
}


def _differences(before: Contract, after: Contract) -> Iterator[str]:
    then, now = before.risk, after.risk
    if (then.score, then.level) != (now.score, now.level):
        yield f"risk {then.level.value} {then.score:.1f} → {now.level.value} {now.score:.1f}"
    limits = {g.metric: g for g in after.guardrails}
    for guardrail in before.guardrails:
        other = limits.get(guardrail.metric, guardrail)
        if other.limit != guardrail.limit:
            yield f"{guardrail.metric.value} {guardrail.limit:g} → {other.limit:g} {guardrail.unit}"
    if before.canary.stages != after.canary.stages:
        yield f"canary {_stages(before.canary)} → {_stages(after.canary)}"
    asked = [{v.kind.value for v in c.validators if v.required} for c in (before, after)]
    yield from (f"no longer asked for: {kind}" for kind in sorted(asked[0] - asked[1]))
    yield from (f"also asked for: {kind}" for kind in sorted(asked[1] - asked[0]))
    if before.rollback.possible != after.rollback.possible:
        yield "it can be taken back" if after.rollback.possible else "it can no longer be taken back"
    if before.rollback.disruption_s != after.rollback.disruption_s:
        yield f"users notice a rollback for {before.rollback.disruption_s:.0f} → {after.rollback.disruption_s:.0f} s"


def _stages(canary: Canary) -> str:
    return "→".join(f"{s.percent:g}" for s in canary.stages) or "none"
