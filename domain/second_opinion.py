"""Questions about a diagnosis that go to a second mind apart from each other: argue for, argue against, read the diffs."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from domain.diagnosis import Evidence, Hypothesis
from domain.reasoning import Question
from domain.report import Sentence
from domain.value import Value


class Argument(Value):
    """One side's case about the leading hypothesis."""

    points: list[Sentence] = []
    """Each rests on ids of existing evidence; the others are dropped."""
    belief: float = Field(ge=0, le=1)
    """How likely it is, after all that was said here, that the hypothesis is the cause."""


class ArgumentFor(Argument):
    """What speaks for it."""


class ArgumentAgainst(Argument):
    """What speaks against it."""


class ArgueForQuestion(Question[ArgumentFor]):
    """Argue that this is the cause. Holds nothing of the other side's text."""

    role: ClassVar[str] = "argue_for"
    answer_type: ClassVar[type[Value]] = ArgumentFor
    incident: str
    hypothesis: Hypothesis
    evidence: list[Evidence]
    blind_spots: list[str] = []


class ArgueAgainstQuestion(Question[ArgumentAgainst]):
    """Argue that it is something else. Holds nothing of the other side's text."""

    role: ClassVar[str] = "argue_against"
    answer_type: ClassVar[type[Value]] = ArgumentAgainst
    incident: str
    hypothesis: Hypothesis
    evidence: list[Evidence]
    blind_spots: list[str] = []


class DiffText(Value):
    """A change as it is shown to a reader of diffs; untrusted."""

    change: str
    service: str = ""
    summary: str = ""
    files: list[str] = []
    diff: str


class DiffReading(Value):
    """What one change could do."""

    change: str
    effect: str
    """In a few words: what behaves differently afterwards."""
    through: str
    """The setting, function or shared library by which it does; must stand in the diff, its files or its summary."""
    service: str
    """Which service would suffer."""
    could: float = Field(ge=0, le=1)
    """How well that explains the symptoms."""


class DiffAnswer(Value):
    """Readings of the diffs that could have done it."""

    readings: list[DiffReading] = []


class DiffQuestion(Question[DiffAnswer]):
    """What could these changes do, through what, to whom?"""

    role: ClassVar[str] = "diffs"
    answer_type: ClassVar[type[Value]] = DiffAnswer
    incident: str
    symptoms: list[str]
    services: list[str]
    changes: list[DiffText]
