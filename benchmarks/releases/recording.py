"""The recorded traffic: requests that two processes of the shop answered side by side, and their memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.releases.record import SHIPPED
from contracts.judge.memory import Memory
from contracts.judge.traffic import Floats, Labels, Traffic


@dataclass(frozen=True, kw_only=True)
class Recording:
    """`traffic.canary` marks the second process; `memory` has both processes' bytes."""

    traffic: Traffic
    memory: Memory

    @cached_property
    def seconds(self) -> float:
        """How long it lasts."""
        return float(self.traffic.at.max())

    @property
    def rate(self) -> float:
        """Requests per second of both processes together."""
        return len(self.traffic) / self.seconds


def load(path: Path = SHIPPED) -> Recording:
    """Read what `python -m benchmarks.releases.record` wrote."""
    with np.load(path) as rows:
        labels = {
            "route": Labels(names=tuple(rows["routes"].tolist()), codes=rows["route"].astype(np.int64)),
            "group": Labels(names=tuple(rows["groups"].tolist()), codes=rows["group"].astype(np.int64)),
        }
        traffic = Traffic(
            at=rows["at"].astype(np.float64),
            seconds=rows["ms"].astype(np.float64) / 1000.0,
            failed=rows["failed"],
            canary=rows["second"],
            labels=labels,
        )
        at, first, second = (column.astype(np.float64) for column in rows["memory"].T)
    return Recording(traffic=traffic, memory=Memory(at=at, canary=second, baseline=first))


def turned(values: Floats, by: float, around: float) -> Floats:
    """Times moved along a recording that is closed to a ring."""
    return np.mod(values + by, around)
