"""What a drill is asked to examine, and how it tells its progress."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chaos.model import Fault, Magnitude
from chaos.oracle import Judging
from domain.drills import DrillPhase

Tell = Callable[[DrillPhase, str, str | None], Awaitable[None]]
"""Progress: phase, text, incident id. Never the label."""

CLOSING_MARGIN_S = 10.0
"""Between the last moment of the judgement and the end of the lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillOrder:
    """What to examine, and how long to wait for what."""

    fault: Fault
    drill: str
    magnitude: Magnitude = Magnitude.MEDIUM
    parameters: Mapping[str, Any] = field(default_factory=dict)
    blind: bool = True
    approve: bool = False
    """Answer approvals as the person whose token the responder adapter holds; for examinations only."""
    detect_s: float = 45.0
    finish_s: float = 150.0
    """From injection until the incident must have ended."""
    judging: Judging = field(default_factory=Judging)

    @property
    def lease_s(self) -> float:
        """Long enough for the slowest drill including its judgement."""
        j = self.judging
        judged = j.recover_s + max(j.durable_s, j.settle_s + j.event_s) * 2
        return self.finish_s + judged + CLOSING_MARGIN_S + 20.0
