"""How the traffic moves to the new version, by level; doubt makes every stage longer."""

from __future__ import annotations

from collections.abc import Mapping

from contracts.stance import Stance
from domain.contract import Canary, Stage
from domain.risk import RiskLevel as Level

_STAGES: Mapping[Level, tuple[tuple[float, ...], int]] = {
    Level.LOW: ((), 0),
    Level.MEDIUM: ((25, 50, 100), 300),
    Level.HIGH: ((10, 25, 50, 100), 450),
    Level.CRITICAL: ((5, 10, 25, 50, 100), 600),
}
"""Percent of the traffic per stage, and seconds of each when nothing is in doubt."""
_LONGER = (1.0, 1.0, 1.25, 1.5, 2.0)
"""Times by `Stance.caution`."""


def canary_for(stance: Stance) -> Canary:
    """Required from high on, recommended at medium, none at low."""
    percents, seconds = _STAGES[stance.level]
    if not percents:
        return Canary(required=False, reason="low risk: all traffic at once")
    each = round(seconds * _LONGER[stance.caution])
    required = stance.level.at_least(Level.HIGH)
    word = "required" if required else "recommended"
    return Canary(
        required=required,
        stages=[Stage(percent=p, seconds=each) for p in percents],
        reason=f"{word} at {stance.level.value} risk, {each} s each at confidence {stance.confidence:.2f}",
    )
