"""No release goes out on a used-up error budget, except for what makes the service better at once.

Source: The Site Reliability Workbook (2018), appendix B, "Example Error Budget Policy": releases halt, except P0 issues and
security fixes, until the service is within its objective again.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from contracts.judge.traffic import Traffic

LEAST_REQUESTS = 200
"""Fewer say nothing about a budget."""


class Exemption(StrEnum):
    """What may go out all the same. Who claims it, and why, goes to the ledger."""

    SECURITY = "security"
    P0_FIX = "p0_fix"


def frozen(before: Traffic, budget: float | None) -> str:
    """Why nothing may go out now; empty when it may. `before` is what is known of the last time."""
    if budget is None or len(before) < LEAST_REQUESTS:
        return ""
    failed = float(before.failed.mean())
    if failed <= budget:
        return ""
    minutes = float(np.ptp(before.at)) / 60.0
    return f"{failed:.2%} of the requests of the last {minutes:.0f} minutes failed; the objective allows {budget:.2%}"
