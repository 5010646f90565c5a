"""What perception says: evidence, ranked hypotheses with what speaks against each, and a verdict."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field

from domain.report import Sentence
from domain.usage import Usage
from domain.value import UtcTime, Value


class DiagnosisVerdict(StrEnum):
    """The four things perception may conclude."""

    FAULT = "fault"
    HEALTHY = "healthy"
    EXTERNAL = "external"
    INCONCLUSIVE = "inconclusive"


class Evidence(Value):
    """A signal with source and time that a claim can cite."""

    id: str
    """`E1`, `E2` … within one incident; stable once given."""
    kind: str
    """metric, log, trace, reading, change, alert, topology, runbook, case, human"""
    source: str
    """Where it was read: `probe:db_locks`, `metrics:api`, `logs:api`, `runbooks/disk-full` …"""
    service: str = ""
    time: UtcTime | None = None
    excerpt: str
    """One line a person can read; untrusted text, redacted."""
    supports: str = ""
    """What it speaks for (or against) in words."""
    data: dict[str, Any] = {}
    """The numbers behind the excerpt (series name, before, after, pids …); plain JSON."""
    tainted: bool = False
    """True when the excerpt holds text from outside (logs, alerts, tickets, runbooks, chat)."""


class NextProbe(Value):
    """The cheapest query that would refute a hypothesis."""

    probe: str
    service: str
    refutes: str
    """Which hypothesis (its statement) and which result would refute it."""


class Hypothesis(Value):
    """One candidate cause."""

    rank: int = Field(ge=1)
    service: str
    indicator: str | None = None
    fault_class: str | None = None
    """A name of the fault catalogue (spec/chaos.md) or of a history's label set."""
    change: str | None = None
    """Id of the change at fault."""
    confidence: float = Field(ge=0, le=1)
    statement: str
    evidence: list[str] = []
    against: list[str] = []
    falsify: str = ""
    """A query or command that a person can run to prove this wrong."""
    details: dict[str, Any] = {}
    """Typed facts that a plan needs, taken from readings only (blocking pids, revision, key names, route …)."""
    apart: list[str] = []
    """Ids of the runbook passages that tell it apart from what looks like it; they speak neither for nor against it."""
    by: str = ""
    """Who holds it when it is not the engine: the name of a model."""


class BlastRadius(Value):
    """Who suffers."""

    services: list[str] = []
    users: str | None = None
    """In words with a number where one is known: `38 % of requests to the shop fail`."""


class SecondOpinion(Value):
    """What a model made of the engine's diagnosis. It may have lowered and added; it cannot have raised or removed."""

    by: str
    fell_back: str = ""
    """Why the model, or a part of its work, is missing; empty: it is not."""
    engine_verdict: DiagnosisVerdict
    engine_confidence: float
    """What the engine alone said."""
    speaks_for: list[Sentence] = []
    speaks_against: list[Sentence] = []
    """The two sides' points about the leading hypothesis, each grounded in evidence."""
    dropped: list[str] = []
    """What the model said and code did not let stand, with the reason."""
    usage: Usage = Usage()
    """What the incident's questions have cost so far."""


class Diagnosis(Value):
    """Result of `investigate` and of every perceive step."""

    schema_version: str = "1"
    incident: str
    verdict: DiagnosisVerdict
    confidence: float = Field(ge=0, le=1)
    summary: str = ""
    hypotheses: list[Hypothesis] = []
    evidence: list[Evidence] = []
    blast_radius: BlastRadius = BlastRadius()
    next_probes: list[NextProbe] = []
    blind_spots: list[str] = []
    """What should have been seen and was not; each that matters lowers the confidence."""
    unseen: list[str] = []
    """What nobody shows of this system in any case (`no logs of cache`)."""
    second_opinion: SecondOpinion | None = None
    """None: no model was asked."""
    seconds: float = 0.0

    @property
    def top(self) -> Hypothesis | None:
        """The leading hypothesis, if there is any."""
        return self.hypotheses[0] if self.hypotheses else None
