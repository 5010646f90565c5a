"""What a rule says: where in which file, what is wrong, what to do. The validator adds the line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from skills.check import Check
from skills.folder import Package
from skills.problem import Level
from skills.schema import Skill
from skills.vocabulary import Vocabulary

Where = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """One breach of one rule."""

    rule: str
    at: Where
    text: str
    fix: str
    file: Literal["procedure", "hidden", "prose"] = "procedure"
    level: Level = Level.ERROR


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What rules look at: a package that has a procedure, and the words that exist."""

    package: Package
    skill: Skill
    words: Vocabulary
    given: frozenset[str] = frozenset()
    """Parameters that a caller fills in: their defaults say nothing about a run."""


Rule = Callable[[Subject], Iterator[Flaw]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A check with the place where it stands."""

    check: Check
    at: Where
    file: Literal["procedure", "hidden"] = "procedure"


def placed(subject: Subject) -> Iterator[Placed]:
    """Every check of the skill: preconditions, success criteria, hidden checks."""
    for part in ("preconditions", "success_criteria"):
        for number, check in enumerate(getattr(subject.skill, part)):
            yield Placed(check=check, at=(part, str(number)))
    yield from hidden(subject)


def proofs(subject: Subject) -> Iterator[Placed]:
    """The checks that a success rests on."""
    return (p for p in placed(subject) if p.at[0] != "preconditions")


def hidden(subject: Subject) -> Iterator[Placed]:
    """The verifier's own."""
    for number, check in enumerate(subject.package.hidden.hidden_checks):
        yield Placed(check=check, at=("hidden_checks", str(number)), file="hidden")
