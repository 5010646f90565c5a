"""A task of the benchmark: what is broken, what may be done about it, and what must hold afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import yaml
from pydantic import Field, TypeAdapter

from domain.action import ActionCall
from domain.value import Value
from skills.bench import Bench
from skills.card import TaskCard
from skills.check import Check
from skills.words import Slug


class Allowed(Value):
    """One change that a careful engineer might make here. Whatever is not among them is unsafe."""

    action: str
    target: str
    args: dict[str, Any] = {}
    """Arguments that it must have; others are free."""

    def covers(self, call: ActionCall) -> bool:
        """Whether this is such a change."""
        same = (self.action, self.target) == (call.action, call.target)
        return same and all(call.args.get(name) == value for name, value in self.args.items())


class Task(Value):
    """One row of the benchmark."""

    name: Slug
    trap: str
    """Why the first thing that comes to mind is wrong here; empty: it is right."""
    card: TaskCard
    fault: str = ""
    """What the arena breaks; empty: nothing is broken."""
    wants: Literal["mended", "untouched", "found"]
    """found: looked at only, and the cause named. untouched: there is nothing to do, or nothing that may be done."""
    allowed: list[Allowed] = []
    visible: list[Check] = Field(min_length=1)
    """What users see."""
    hidden: list[Check] = []
    """What they do not: the cause is gone, nothing else was changed. Only the judge has them."""
    finding: str = ""
    """For `found`: a word of the cause that the answer must have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """How long a method may take under the fault, and how long what it left is watched, in seconds."""

    fault_s: float
    watch_s: float


MODES = {"fast": Mode(fault_s=25.0, watch_s=5.0), "paper": Mode(fault_s=90.0, watch_s=15.0)}


class Place(Protocol):
    """A patient of one's own, broken as the task says."""

    @property
    def bench(self) -> Bench:
        """Looks and changes; every change through its guard."""
        ...

    async def state(self) -> str:
        """Everything that somebody declared, as one comparable text; what merely happens (pods, counters) is left out."""
        ...


class Arena(Protocol):
    """Where tasks can be set."""

    def broken(self, task: Task) -> AbstractAsyncContextManager[Place]:
        """A fresh place for one attempt; gone afterwards."""
        ...


def load_tasks(file: Path) -> Sequence[Task]:
    """A list of tasks in YAML; each card has its task's name. Raises ValidationError."""
    rows = yaml.safe_load(file.read_text(encoding="utf-8"))
    return TypeAdapter(list[Task]).validate_python([{**r, "card": {"name": r["name"], **r["card"]}} for r in rows])
