"""How a run ends towards governance: what it says it walked and left behind, and what of that does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

from pydantic import Field

from domain.lifecycle import Phase, may_move
from domain.value import Value
from governance.claims import Claim
from governance.ledger.port import Reader, Record, Transaction
from governance.violations import Violation

KIND = "run"
Name = Annotated[str, Field(max_length=200)]

OWED = ("brief",)
"""What every run leaves behind."""
OWED_AFTER_EFFECT = ("verification", "brief")
"""What a run that changed something leaves behind."""


class Closing(Value):
    """A run's last word to governance."""

    agent: Annotated[Name, Field(min_length=1)]
    run: Annotated[Name, Field(min_length=1)]
    outcome: Name
    by: Name = ""
    """Who says so: nobody decides anything here, so it is the rules."""
    phases: Annotated[list[Phase], Field(max_length=500)]
    """As walked, in order."""
    artifacts: Annotated[list[Name], Field(max_length=100)] = []
    """Names of what it left behind."""
    verified: bool | None = None
    """Whether probes confirmed the outcome; None when nothing was to be confirmed."""
    looks: Annotated[list[Annotated[str, Field(max_length=500)]], Field(max_length=50)] = []
    """What was looked at, for the record."""


def symptoms(closing: Closing, applied: Sequence[Claim]) -> list[tuple[Violation, str]]:
    """What of it looks like a violation."""
    found = [(Violation.PROCEDURE_VIOLATION, text) for text in _illegal(closing, applied)]
    owed = OWED_AFTER_EFFECT if applied else OWED
    missing = [name for name in owed if name not in closing.artifacts]
    if missing:
        found.append((Violation.MISSING_ARTIFACT, f"run {closing.run} was closed without: {', '.join(missing)}"))
    return found


def _illegal(closing: Closing, applied: Sequence[Claim]) -> list[str]:
    moves = [f"{a.value} to {b.value}" for a, b in pairwise(closing.phases) if not may_move(a, b)]
    texts = [f"moved from {move}, which the lifecycle does not know" for move in moves[:3]]
    if applied and Phase.EXECUTE not in closing.phases:
        texts.append(f"{len(applied)} effects, and no EXECUTE phase in the walk")
    return texts


def close(tx: Transaction, closing: Closing, change: str, entry: int) -> None:
    """From here on the run changes nothing any more."""
    doc = {"entry": entry, "outcome": closing.outcome}
    tx.put(Record(kind=KIND, id=f"{closing.agent}/{closing.run}", change=change, status="closed", at=tx.now, doc=doc))


def closed_in(reader: Reader, agent: str, run: str) -> int | None:
    """The ledger entry with which the run was closed, or None."""
    record = reader.get(KIND, f"{agent}/{run}") if run else None
    return int(record.doc["entry"]) if record else None
