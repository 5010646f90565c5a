"""Task cards: what somebody wants a skill for, before there is one."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from domain.severity import Severity
from domain.value import Value
from domain.yaml_text import line_of
from skills.document import parse, read_text
from skills.problem import SkillError
from skills.schema import Stage
from skills.words import Reference, Slug


class Family(StrEnum):
    """How hard the task is."""

    T1 = "T1"
    """Read-only diagnosis."""
    T2 = "T2"
    """Light recovery."""
    T3 = "T3"
    """Repair of a configuration."""
    T4 = "T4"
    """Constrained by policy or permissions."""

    @property
    def stage(self) -> Stage:
        """Where in an incident it belongs."""
        return Stage.DIAGNOSIS if self is Family.T1 else Stage.RECOVERY


class TaskCard(Value):
    """Input of generation."""

    schema_version: Literal["1"] = "1"
    name: Slug
    intent: Annotated[str, Field(min_length=10, max_length=500)]
    workload: Reference
    """The service of the inventory that it is about."""
    namespace: Annotated[str, Field(max_length=63)] = ""
    diagnosis: Annotated[str, Field(max_length=500)] = ""
    """What is known or suspected, in words."""
    fault_domain: str
    """A condition that readings show (`process.paused`), or a fault class of the catalogue (`hang`)."""
    severity: Severity
    family: Family
    expected: Annotated[str, Field(max_length=500)]
    """The outcome that somebody would call done."""
    owner: Annotated[str, Field(max_length=60)] = "unknown"


def load_card(file: Path) -> TaskCard:
    """Raises SkillError that names file, line and what was expected."""
    text = read_text(file)
    document = parse(text, str(file))
    try:
        return TaskCard.model_validate(document)
    except ValidationError as error:
        rows = [
            f"{file}:{line_of(text, [str(p) for p in e['loc']])}: {'.'.join(map(str, e['loc']))}: {e['msg']}"
            for e in error.errors(include_input=False)
        ]
        raise SkillError(
            f"{file} is no task card",
            expected="the form of docs/task-card.schema.json",
            found="; ".join(rows[:8]),
            hint="start from docs/examples/task-card.yaml",
            code="skill.card",
        ) from error
