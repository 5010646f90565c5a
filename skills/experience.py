"""What past runs teach: every run of a skill counts, failed ones too, and fades with time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from domain.value import Value
from skills.report import Report, RunStatus

HALF_LIFE_DAYS = 30.0
"""After so many days a run counts half."""
KEPT = (RunStatus.SUCCEEDED, RunStatus.NOT_FOUND)
BROKEN = (RunStatus.FAILED, RunStatus.ROLLED_BACK, RunStatus.UNKNOWN)


class Experience(Value):
    """How a skill fared, weighted by age."""

    skill: str
    confidence: float
    """(kept + 1) / (all + 2) over faded counts: 0.5 for a skill that was never run."""
    runs: int
    reflections: list[str] = []
    """Why it failed last, newest first: signature, step and text; at most three."""


def experience(skill: str, digest: str, runs: Sequence[Report], now: datetime) -> Experience:
    """From the field runs of this digest; rehearsals and blocked or dry runs say nothing about the field."""
    mine = [r for r in runs if r.digest == digest and not r.rehearsal and r.status in (*KEPT, *BROKEN)]
    weights = [(_weight(r, now), r.status in KEPT) for r in mine]
    kept, total = sum(w for w, good in weights if good), sum(w for w, _ in weights)
    return Experience(
        skill=skill,
        confidence=round((kept + 1) / (total + 2), 3),
        runs=len(mine),
        reflections=reflections(mine),
    )


def reflections(runs: Sequence[Report]) -> list[str]:
    """What the newest failures say, at most three: signature, step, text. `runs` newest first."""
    failed = [r.failure for r in runs if r.failure is not None and r.status in BROKEN]
    return [f"{f.signature} at {f.step or 'the gate'}: {f.text[:160]}" for f in failed[:3]]


def _weight(report: Report, now: datetime) -> float:
    age_days = max(0.0, (now - report.started_at).total_seconds() / 86_400)
    return float(0.5 ** (age_days / HALF_LIFE_DAYS))
