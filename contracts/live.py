"""What the service does today, from the collector's board of service levels: fills what nobody said, replaces nothing.

Of several objectives the worst value counts, rounded, so that noise in the last digit is no other contract.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from contracts.context import DeploymentContext


def as_today(context: DeploymentContext, board: Sequence[Mapping[str, Any]]) -> DeploymentContext:
    """`board`: rows as `tools.telemetry.board.sli_snapshot` gives them; a value of None is not known today."""
    rows = [row for row in board if row["service"] == context.service_name and row["value"] is not None]
    failing = [100 * (1 - float(row["value"])) for row in rows if row["sli"] in ("availability", "error_ratio")]
    slow = [1000 * float(row["value"]) for row in rows if row["sli"] == "latency_p95"]
    found: dict[str, float] = {}
    if failing and context.current_error_rate is None:
        found["current_error_rate"] = round(min(100.0, max(0.0, *failing)), 2)
    if slow and context.current_p95 is None:
        found["current_p95"] = float(round(max(slow)))
    return context.model_copy(update=found)
