"""How much of the accepted risk of a false alarm each look may use up, so that many looks do not add up to many alarms.

Source: Lan & DeMets (1983), spending functions; the family α·t^ρ of Kim & DeMets (1987) over the share of looks done. Each look
uses its increment alone, which needs no assumption on how looks depend on each other: the sum never exceeds α (Boole), and a
look that was skipped loses its part instead of handing it on. Checks of one look share its increment equally (Bonferroni).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from domain.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """A plan for `looks` looks of `checks` checks each."""

    alpha: float
    """Accepted chance that a release without any change is stopped."""
    looks: int
    """Planned looks, those in reserve for extended stages included."""
    checks: int
    rho: float = 1.0
    """1 spends evenly; larger values keep more for later looks, which have seen more."""

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha < 0.5 or self.looks < 1 or self.checks < 1 or self.rho <= 0.0:
            raise ConfigError(
                "the plan of looks cannot be carried out",
                expected="0 < alpha < 0.5, at least one look and one check, rho above 0",
                found=f"alpha {self.alpha}, {self.looks} looks, {self.checks} checks, rho {self.rho}",
            )

    def level(self, look: int) -> float:
        """The level of each check at look 1, 2, 3 …; 0, which nothing can reach, beyond the planned looks."""
        if not 1 <= look <= self.looks:
            return 0.0
        before, after = (self.alpha * math.pow(number / self.looks, self.rho) for number in (look - 1, look))
        return (after - before) / self.checks


def refuted(p: float, level: float) -> bool:
    """Whether a chance of `p` is too small at that level. At level 0 nothing is, however small `p` became."""
    return level > 0.0 and p <= level
