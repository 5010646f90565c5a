"""What the judge says. Words as in Argo Rollouts' analysis runs: successful, failed, inconclusive."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from contracts.judge.traffic import Segment
from domain.value import Json


class Result(StrEnum):
    """Only SUCCESSFUL lets a rollout go on; INCONCLUSIVE never does."""

    SUCCESSFUL = "successful"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


class Metric(StrEnum):
    """What is compared with the old version or held against a limit."""

    LATENCY = "latency"
    ERRORS = "errors"
    ERROR_LIMIT = "error_limit"
    LATENCY_LIMIT = "latency_limit"
    BURN_RATE = "burn_rate"
    MEMORY = "memory"
    DATA = "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """One check: what was asked, what was seen, and why it is called so.

    Units: ratios of durations for latency (1.05 is 5 % slower), differences of the failure ratio for errors, shares of the
    requests for limits, multiples of the error budget for burn rates, bytes for memory.
    """

    metric: Metric
    segment: Segment
    result: Result
    reason: str
    estimate: float = math.nan
    low: float = math.nan
    high: float = math.nan
    visible: float = math.nan
    """The smallest effect that this check could see, as said before the rollout."""
    p: float = math.nan
    canary: int = 0
    baseline: int = 0

    def document(self) -> dict[str, Json]:
        """As JSON; numbers that are not known are null."""
        numbers = {"estimate": self.estimate, "low": self.low, "high": self.high, "visible": self.visible, "p": self.p}
        shown: dict[str, Json] = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
        return shown | {
            "metric": self.metric.value,
            "segment": str(self.segment),
            "result": self.result.value,
            "reason": self.reason,
            "canary": self.canary,
            "baseline": self.baseline,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """All checks of one look at one stage."""

    stage: int
    look: int
    over: bool
    """Whether the stage had run for its whole time. Before that nothing is a success."""
    rulings: tuple[Ruling, ...]

    @property
    def result(self) -> Result:
        """Failed when any check failed; successful only when the stage is over and every check is."""
        found = {ruling.result for ruling in self.rulings}
        if Result.FAILED in found:
            return Result.FAILED
        return Result.SUCCESSFUL if self.over and found == {Result.SUCCESSFUL} else Result.INCONCLUSIVE

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why, in the order of weight: what failed, else what is open, else what was seen."""
        for result in (Result.FAILED, Result.INCONCLUSIVE):
            found = tuple(said_of(ruling) for ruling in self.rulings if ruling.result is result)
            if found:
                return found
        if not self.over:
            return ("the stage is not over",)
        return tuple(said_of(ruling) for ruling in self.rulings) or ("nothing was checked",)

    def document(self) -> dict[str, Json]:
        """As JSON."""
        return {
            "stage": self.stage,
            "look": self.look,
            "over": self.over,
            "result": self.result.value,
            "reasons": list(self.reasons),
            "rulings": [ruling.document() for ruling in self.rulings],
        }


def said_of(ruling: Ruling) -> str:
    """One line for people."""
    return f"{ruling.metric.value} of {ruling.segment}: {ruling.reason}"


def worst(results: Iterable[Result]) -> Result:
    """The one that counts; INCONCLUSIVE for none at all."""
    found = set(results)
    if Result.FAILED in found:
        return Result.FAILED
    return Result.SUCCESSFUL if found == {Result.SUCCESSFUL} else Result.INCONCLUSIVE
