"""What a rehearsal leaves behind."""

from __future__ import annotations

from typing import Literal

from domain.value import UtcTime, Value
from skills.report import Seen


class UnderFault(Value):
    """What one fault showed."""

    fault: str
    discriminates: dict[str, bool] = {}
    """Criterion → it was seen to read differently on the broken and the healthy system."""
    before: list[Seen] = []
    """The criteria on the broken system, each as it was seen failing (or last)."""
    run: str = ""
    status: str = ""
    verifier: str = ""
    """Who looked at the run's criteria."""
    taken_back: list[str] = []
    """Steps that the rollback took back."""
    back_as_before: bool | None = None
    """The declared state of every target is what it was before the run, as the guard compared it; None: nothing to take back."""
    shows_again: bool | None = None
    """After the rollback, with the fault still standing, what was demanded before the run was seen to hold again."""
    problems: list[str] = []

    @property
    def told_apart(self) -> str:
        """`2 of 3`: criteria that read differently on the broken and on the healthy system."""
        return f"{sum(self.discriminates.values())} of {len(self.discriminates)}"


class Rehearsal(Value):
    """The whole of it."""

    schema_version: Literal["1"] = "1"
    id: str
    skill: str
    version: str
    digest: str
    faults: list[UnderFault] = []
    problems: list[str] = []
    """What speaks against promoting it; empty: rehearsed."""
    ended_at: UtcTime | None = None
    started_at: UtcTime

    @property
    def passed(self) -> bool:
        """It ended, and nothing speaks against it."""
        return self.ended_at is not None and not self.problems and all(not f.problems for f in self.faults)
