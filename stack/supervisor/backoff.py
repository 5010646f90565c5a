"""When a crashed process is started again. Pure."""

from __future__ import annotations

FIRST_S = 0.5
LONGEST_S = 15.0
STEADY_S = 10.0
"""A process that ran this long starts counting anew."""


def delay(failures: int) -> float:
    """Seconds to wait after the n-th crash in a row (1, 2, …): 0.5, 1, 2, 4, 8, 15."""
    return min(LONGEST_S, FIRST_S * 2.0 ** max(0, min(failures, 30) - 1))


def failures_after(failures: int, uptime_s: float) -> int:
    """How many crashes in a row the present one makes it."""
    return 1 if uptime_s >= STEADY_S else failures + 1
