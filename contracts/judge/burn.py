"""How fast a version uses up the error budget, over a long and a short window at once.

Source: The Site Reliability Workbook (2018), chapter 5, "Multiwindow, multi-burn-rate alerts": the long window says that it
matters, the short one that it still goes on. The windows here fit a rollout, keeping the book's 12 : 1 and its factors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.judge.traffic import Traffic

LEAST_FAILURES = 8
"""Fewer failures in the long window are too few to speak of a rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """A pair of windows and the burn rate that both must exceed."""

    long_s: float
    short_s: float
    factor: float


ROLLOUT = (Windows(long_s=120.0, short_s=10.0, factor=14.4), Windows(long_s=600.0, short_s=50.0, factor=6.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Burning:
    """A pair of windows in which the new version burns too fast, with both rates."""

    windows: Windows
    long_rate: float
    short_rate: float
    shared: bool
    """The old version burns as fast: whatever is wrong, the release is not alone in it."""


def burn_rate(traffic: Traffic, now: float, window_s: float, budget: float, canary: bool) -> tuple[float, int]:
    """(share of failures ÷ budget, failures) in the window that ends now; (0, 0) without requests."""
    chosen = (traffic.at > now - window_s) & (traffic.at <= now) & (traffic.canary == canary)
    requests, failures = int(chosen.sum()), int((chosen & traffic.failed).sum())
    return (failures / requests / budget if requests else 0.0, failures)


def burning(traffic: Traffic, now: float, budget: float, rules: Sequence[Windows] = ROLLOUT) -> Burning | None:
    """The first pair of windows in which the new version burns above the factor in both. `budget` is 1 − the objective."""
    for rule in rules:
        long_rate, failures = burn_rate(traffic, now, rule.long_s, budget, True)
        short_rate, _ = burn_rate(traffic, now, rule.short_s, budget, True)
        if failures >= LEAST_FAILURES and min(long_rate, short_rate) > rule.factor:
            old_rate, _ = burn_rate(traffic, now, rule.long_s, budget, False)
            return Burning(windows=rule, long_rate=long_rate, short_rate=short_rate, shared=old_rate > rule.factor)
    return None
