"""Findings about the product's own operation, and the council that looks at what is suggested against them."""

from __future__ import annotations

from enum import StrEnum

from domain.value import UtcTime, Value


class FindingState(StrEnum):
    """How a finding stands."""

    OPEN = "open"
    ACCEPTED = "accepted"
    """A person takes the suggestion on."""
    FIXED = "fixed"
    """Closed with evidence."""
    RECURRENT = "recurrent"
    """It was fixed, and it came back."""

    @property
    def closed(self) -> bool:
        """Nothing is to be done about it."""
        return self is FindingState.FIXED


class Risk(StrEnum):
    """How much a suggestion may break, the worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    TRIVIAL = "trivial"

    @property
    def rank(self) -> int:
        """0 is the worst."""
        return list(Risk).index(self)


class Suggestion(Value):
    """What could be done about a kind of anomaly."""

    kind: str
    text: str
    risk: Risk
    impact: float
    """0 to 1: how much of the trouble it would take away."""
    touches: list[str] = []
    """What it changes: policy, budget, inventory, model, runbook, people."""
    author: str = "watcher"
    helped: int = 0
    """Times it was followed and the finding stayed away."""
    failed: int = 0
    """Times it was followed and the finding came back."""

    @property
    def confidence(self) -> float:
        """How often it helped, by Laplace's rule of succession: 0.5 before anybody tried."""
        return (self.helped + 1) / (self.helped + self.failed + 2)


class Vote(Value):
    """One reviewer's word."""

    reviewer: str
    approve: bool | None
    """None: it abstains, as with its own suggestion."""
    reason: str


class CouncilWord(Value):
    """What the council makes of a suggestion. A recommendation to a person, never an approval."""

    recommended: bool
    votes: list[Vote]


class Finding(Value):
    """One recurring anomaly: however often it is seen, it is one finding."""

    id: str
    kind: str
    subject: str
    text: str
    state: FindingState
    count: int
    first: UtcTime
    last: UtcTime
    evidence: list[int]
    """The newest ledger entries that show it."""
    suggestion: Suggestion
    council: CouncilWord
    by: str = ""
    """Who accepted or closed it."""
    closing: str = ""
    """The evidence it was closed with."""
