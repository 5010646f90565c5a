"""Jobs for the worker, as they lie in the cache. Pure."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from typing import Any

QUEUE = "shop:jobs"
"""List: new jobs come in at the left, the worker takes from the right."""
TAKEN = "shop:jobs:taken"
"""List: jobs in hand; a worker that starts puts them back."""
DELAYED = "shop:jobs:delayed"
"""Sorted set by epoch seconds at which a job is due again."""
DEAD = "shop:jobs:dead"
"""List: what is not a job, or failed too often."""
HEARTBEAT = "shop:worker:heartbeat"
"""Epoch seconds of the worker's last round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Something to do for an order: `fulfil` a paid one, or `charge` a deferred one first."""

    order_id: str
    kind: str
    amount_cents: int
    attempts: int = 0
    enqueued_at: float = field(default_factory=time.time)

    def row(self) -> dict[str, Any]:
        """As JSON object."""
        return asdict(self)


def parse_job(raw: bytes | str) -> Job:
    """Raises ValueError for anything that is not a job."""
    try:
        job = Job(**json.loads(raw))
    except TypeError as error:
        raise ValueError(str(error)) from error
    if job.kind not in ("fulfil", "charge"):
        raise ValueError(f"unknown kind {job.kind!r}")
    return job


def retry_after(attempts: int) -> float:
    """Seconds until a failed job is tried again: 1, 2, 4 … 30."""
    return float(min(30, 2 ** min(attempts, 5)))
