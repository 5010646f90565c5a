"""A skill's track record: what its runs under one digest came to."""

from __future__ import annotations

from collections.abc import Sequence

from domain.value import UtcTime, Value
from skills.report import Report, RunStatus

_NEITHER = (RunStatus.DRY_RUN, RunStatus.BLOCKED, RunStatus.RUNNING, RunStatus.WAITING)
"""Says nothing about whether the procedure works."""


class Track(Value):
    """Counts over executed runs in the field; blocked ones and dry runs are told apart, rehearsals do not count."""

    executed: int = 0
    succeeded: int = 0
    blocked: int = 0
    dry: int = 0
    last: UtcTime | None = None
    last_status: str = ""

    @property
    def rate(self) -> float | None:
        """Share of executed runs that kept their promise; None without any."""
        return self.succeeded / self.executed if self.executed else None

    def words(self) -> str:
        """`3 of 4 runs kept the promise`."""
        return f"{self.succeeded} of {self.executed} runs kept the promise" if self.executed else "never run"


def track_of(runs: Sequence[Report], digest: str) -> Track:
    """The record of one digest; `runs` newest first."""
    mine = [r for r in runs if r.digest == digest and not r.rehearsal]
    done = [r for r in mine if r.status not in _NEITHER]
    return Track(
        executed=len(done),
        succeeded=sum(r.status in (RunStatus.SUCCEEDED, RunStatus.NOT_FOUND) for r in done),
        blocked=sum(r.status is RunStatus.BLOCKED for r in mine),
        dry=sum(r.status is RunStatus.DRY_RUN for r in mine),
        last=mine[0].started_at if mine else None,
        last_status=mine[0].status.value if mine else "",
    )
