"""The port behind every agent: one typed question, one typed answer.

A question carries only redacted, plain facts and names what the answer may refer to; the agent grounds the answer
afterwards (cited evidence exists, actions and targets are known). Every role has a rules implementation.
"""

from __future__ import annotations

from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

from pydantic import Field

from domain.action import ActionCall, ActionSpec
from domain.diagnosis import Diagnosis, Hypothesis
from domain.incident import Incident
from domain.plan import Plan, StepResult
from domain.report import Brief, Sentence, Verification
from domain.value import Value

A = TypeVar("A", bound=Value)


class Question(Value, Generic[A]):
    """What an agent asks. `answer_type` says what comes back; `role` picks the prompt."""

    role: ClassVar[str]
    answer_type: ClassVar[type[Value]]


class Opinion(Value):
    """One view on one hypothesis of the diagnosis, by a second mind."""

    service: str
    fault_class: str | None = None
    """A class that the question lists, or `other` with words in the statement."""
    statement: str
    evidence: list[str] = []
    """Ids of existing evidence only; anything else is dropped."""
    against: list[str] = []
    confidence: float = Field(ge=0, le=1)
    """May lower what is believed of a listed hypothesis; an added one is worth what its evidence carries."""


class ProbeWish(Value):
    """A read-only probe that a mind would like to see."""

    probe: str
    service: str
    why: str


class PerceiveAnswer(Value):
    """Opinions may lower a confidence or add a hypothesis, never raise one above its evidence."""

    opinions: list[Opinion] = []
    probes: list[ProbeWish] = []


class PerceiveQuestion(Question[PerceiveAnswer]):
    """What do you make of this evidence?"""

    role: ClassVar[str] = "perception"
    answer_type: ClassVar[type[Value]] = PerceiveAnswer
    diagnosis: Diagnosis
    probes: list[str]
    """Names of the read-only probes that may be wished for."""
    services: list[str] = []
    """What a hypothesis or a wish may name."""
    fault_classes: list[str] = []
    most_wishes: int = 5
    """How many probes may be wished for."""


class ProposedStep(Value):
    """A step as proposed: an action by name, typed arguments, why, resting on which evidence."""

    call: ActionCall
    rationale: str
    evidence: list[str] = []


class PlanAnswer(Value):
    """Steps in order; none means: nothing safe to do, escalate."""

    steps: list[ProposedStep] = []
    summary: str = ""
    source: str = ""


class PlanQuestion(Question[PlanAnswer]):
    """What would cure it?"""

    role: ClassVar[str] = "planner"
    answer_type: ClassVar[type[Value]] = PlanAnswer
    hypothesis: Hypothesis
    diagnosis: Diagnosis
    actions: list[ActionSpec]
    targets: dict[str, list[str]]
    """Service → aspects it has bindings for."""
    depends_on: dict[str, list[str]] = {}
    """Service → what it depends on directly."""
    options: dict[str, dict[str, Any]] = {}
    """Service → the plain options of its bindings that bound an argument (routes, providers, min, max, expected)."""
    tried: list[StepResult] = []
    """What was already done in this incident."""
    refused: list[str] = []
    """`action target` pairs that governance denied or a person rejected."""
    runbooks: list[str] = []
    """Retrieved passages, untrusted."""


class VerifyAnswer(Value):
    """A second opinion on whether the cure holds; it may doubt, never confirm what the probes deny."""

    holds: bool
    doubts: list[Sentence] = []


class VerifyQuestion(Question[VerifyAnswer]):
    """Does the cure hold?"""

    role: ClassVar[str] = "verifier"
    answer_type: ClassVar[type[Value]] = VerifyAnswer
    verification: Verification
    plan: Plan
    hypothesis: Hypothesis


class OverseeAnswer(Value):
    """What overwatch decides about the run."""

    decision: Literal["continue", "clarify", "revoke"]
    reason: str


class OverseeQuestion(Question[OverseeAnswer]):
    """Is this run still going where it should?"""

    role: ClassVar[str] = "overwatch"
    answer_type: ClassVar[type[Value]] = OverseeAnswer
    incident: str
    replans: int
    max_replans: int
    results: list[StepResult]
    verifications: list[Verification]
    seconds: float
    violations: list[str] = []
    alarms: list[str] = []
    """What overwatch's watch noticed since the last question."""
    underway: bool = False
    """The last step held and the plan's next one follows."""


class ExplainAnswer(Value):
    """The brief, before grounding."""

    brief: Brief


class ExplainQuestion(Question[ExplainAnswer]):
    """Tell what happened."""

    role: ClassVar[str] = "explainer"
    answer_type: ClassVar[type[Value]] = ExplainAnswer
    incident: Incident


class ChatAnswer(Value):
    """An answer in sentences, each with its evidence."""

    sentences: list[Sentence]
    suggestions: list[str] = []
    """Questions one could ask next."""


class ChatQuestion(Question[ChatAnswer]):
    """A person asks about an incident or the system."""

    role: ClassVar[str] = "chat"
    answer_type: ClassVar[type[Value]] = ChatAnswer
    text: str
    incident: Incident | None = None
    incidents: list[str] = []
    """One line per known incident, newest first."""
    passages: list[str] = []
    """Retrieved runbook passages as `[R1 runbooks/…] text`."""


class Reasoner(Protocol):
    """A mind for every role."""

    @property
    def name(self) -> str:
        """`rules`, `openai:gpt-x`, `openai:gpt-x (fell back to rules: timeout)` …"""
        ...

    async def answer(self, question: Question[A]) -> A:
        """Raises ModelUnavailableError or ModelError; the fallback catches both and says so."""
        ...
