"""What would make a change safer: each suggestion is an offer that negotiation knows, with the places it is about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from contracts.context import DeploymentContext
from contracts.finding import Finding, Mark, marks_of
from contracts.stance import Stance
from domain.contract import OfferKind, Suggestion
from domain.risk import FactorName as F
from domain.risk import RiskLevel

_BY_MARK: tuple[tuple[Mark, OfferKind, str], ...] = (
    (
        Mark.DROPS_DATA,
        OfferKind.EXPAND_THEN_CONTRACT,
        "release the code that no longer needs it first, drop it in a later release",
    ),
    (
        Mark.BREAKS_OLD_CODE,
        OfferKind.EXPAND_THEN_CONTRACT,
        "add the new form beside the old one, move readers, then remove the old one",
    ),
    (
        Mark.INDEX_BLOCKS,
        OfferKind.INDEX_CONCURRENTLY,
        "build the index with CREATE INDEX CONCURRENTLY, outside a transaction",
    ),
    (Mark.NO_DOWN, OfferKind.ADD_DOWN_MIGRATION, "write the way down, and let it be rehearsed"),
    (Mark.MAJOR_UPGRADE, OfferKind.PIN_DEPENDENCY, "take the major version in a release of its own"),
)
_BY_FACTOR: tuple[tuple[F, OfferKind, str], ...] = (
    (F.TESTS, OfferKind.RESTORE_TESTS, "keep the tests, or say in the change what proves the behaviour now"),
    (F.OBSERVABILITY, OfferKind.RESTORE_OBSERVABILITY, "keep the signals until the release has been watched with them"),
)
_RISKY_PARTS = {F.SCHEMA, F.CACHING, F.API_BREAK, F.INFRASTRUCTURE, F.PERMISSIONS, F.ROUTING, F.SECRETS}


def suggestions_for(stance: Stance, context: DeploymentContext, findings: Sequence[Finding]) -> list[Suggestion]:
    """In the order in which they help."""
    marks = marks_of(findings)
    return [
        *(_suggest(kind, text, findings, _marked(mark)) for mark, kind, text in _BY_MARK if mark in marks),
        *_flag(marks, findings),
        *_split(stance, findings),
        *(_suggest(kind, text, findings, _about(f)) for f, kind, text in _BY_FACTOR if any(map(_about(f), findings))),
        *_reviewer(context, findings),
    ]


def _flag(marks: frozenset[Mark], findings: Sequence[Finding]) -> Iterator[Suggestion]:
    if Mark.SCHEMA in marks and Mark.FLAG not in marks:
        yield _suggest(
            OfferKind.ADD_FLAG,
            "put the code that uses the new schema behind a feature flag",
            findings,
            _about(F.SCHEMA),
        )


def _split(stance: Stance, findings: Sequence[Finding]) -> Iterator[Suggestion]:
    parts = {f.factor for f in findings if f.factor in _RISKY_PARTS}
    if len(parts) > 1 and stance.level.at_least(RiskLevel.HIGH):
        names = ", ".join(sorted(p.value.replace("_", " ") for p in parts))
        text = f"release these one after another, so that a breach says which one it was: {names}"
        yield _suggest(OfferKind.SPLIT_CHANGE, text, findings, lambda f: f.factor in parts)


def _reviewer(context: DeploymentContext, findings: Sequence[Finding]) -> Iterator[Suggestion]:
    if any(map(_about(F.OWNERSHIP), findings)):
        text = f"name an owner of {context.service_name} and somebody else who has read the change"
        yield _suggest(OfferKind.ADD_REVIEWER, text, findings, _about(F.OWNERSHIP))


def _suggest(kind: OfferKind, text: str, findings: Sequence[Finding], which: Callable[[Finding], bool]) -> Suggestion:
    where = dict.fromkeys(place for f in findings if which(f) for place in f.where)
    return Suggestion(offer=kind, text=text, where=list(where)[:8])


def _marked(mark: Mark) -> Callable[[Finding], bool]:
    return lambda finding: mark in finding.marks


def _about(factor: F) -> Callable[[Finding], bool]:
    return lambda finding: finding.factor is factor
