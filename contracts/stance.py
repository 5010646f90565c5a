"""How strict a contract has to be: the three things that may only tighten its terms, each in steps."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from contracts.context import RollbackCapability
from contracts.finding import Mark
from domain.risk import RiskLevel


class Reversibility(StrEnum):
    """Whether the release can be taken back, best first."""

    FULL = "full"
    PARTIAL = "partial"
    """Data may be lost, or nobody knows."""
    NONE = "none"

    @property
    def rank(self) -> int:
        """0 for full to 2 for none."""
        return list(Reversibility).index(self)


class Trust(StrEnum):
    """Confidence in three steps, best first. `floor` is its lowest confidence."""

    GOOD = "good"
    FAIR = "fair"
    POOR = "poor"

    @property
    def floor(self) -> float:
        return {"good": 0.7, "fair": 0.5, "poor": 0.0}[self.value]

    @property
    def rank(self) -> int:
        """0 for good to 2 for poor."""
        return list(Trust).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stance:
    """What the terms are derived from. Every rule over it is monotone in each of the three."""

    score: float
    confidence: float
    reversibility: Reversibility

    @property
    def level(self) -> RiskLevel:
        return RiskLevel.of(self.score)

    @property
    def trust(self) -> Trust:
        return next(t for t in Trust if self.confidence >= t.floor)

    @property
    def caution(self) -> int:
        """0 to 4: steps of doubt and irreversibility on top of the level."""
        return self.trust.rank + self.reversibility.rank


_GONE = {Mark.DROPS_DATA, Mark.IRREVERSIBLE}
_DOUBTFUL = {Mark.REWRITES_DATA, Mark.NO_DOWN, Mark.OPAQUE}


def reversibility_of(marks: Collection[Mark], capability: RollbackCapability | None) -> Reversibility:
    """The worse of what the change shows and what its owner says; an owner's word never makes it better."""
    shown = Reversibility.FULL
    if not _GONE.isdisjoint(marks):
        shown = Reversibility.NONE
    elif not _DOUBTFUL.isdisjoint(marks):
        shown = Reversibility.PARTIAL
    said = Reversibility(capability.value) if capability else Reversibility.FULL
    return max(shown, said, key=lambda r: r.rank)
