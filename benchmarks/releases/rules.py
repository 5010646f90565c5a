"""Who decides on a release: the judge of contracts, and the two simpler rules that it is compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.releases.replay import Release
from contracts.judge.judge import Moment, judge
from contracts.judge.judgement import Result
from contracts.judge.normal import beyond
from contracts.judge.plan import Plan
from contracts.judge.ranks import Compared, rank_sum
from contracts.judge.traffic import Traffic

WINDOW_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a release ended: who stopped it, in which stage (from 1), at which second. `result` says whether it went through."""

    result: Result
    stage: int
    at: float
    reason: str = ""


Rule = Callable[[Plan, Release], Ended]


def judged(plan: Plan, release: Release) -> Ended:
    """The judge, look after look; a stage that stays inconclusive ends the replay there (a person would be asked)."""
    for number, stage in enumerate(plan.stages):
        for place in range(plan.aims.looks):
            over = place == plan.aims.looks - 1
            now = stage.ends_at if over else stage.starts_at + stage.seconds * (place + 1) / plan.aims.looks
            moment = Moment(stage=number, look=plan.look(number, place), began_at=stage.starts_at, now=now, over=over)
            found = judge(plan, release.traffic, moment, release.memory, detail=False)
            if found.result is Result.FAILED or (over and found.result is Result.INCONCLUSIVE):
                return Ended(result=found.result, stage=number + 1, at=now, reason=found.reasons[0])
    return _through(plan)


def threshold(plan: Plan, release: Release) -> Ended:
    """Every 30 s: more than 1 % of the window's requests failed, or their p95 is 20 % above the old version's."""
    for number, start in _windows(plan):
        window = release.traffic.between(start, start + WINDOW_S)
        new, old = window.where(window.canary), window.where(~window.canary)
        if not len(new) or not len(old):
            continue
        slow = np.quantile(new.seconds, 0.95) > 1.2 * np.quantile(old.seconds, 0.95)
        if new.failed.mean() > 0.01 or slow:
            return Ended(result=Result.FAILED, stage=number, at=start + WINDOW_S)
    return _through(plan)


def bare_ranks(plan: Plan, release: Release) -> Ended:
    """Every 30 s: Mann–Whitney at 5 % on all requests so far, durations and failures; no minimum sample, no plan of looks."""
    for number, start in _windows(plan):
        seen = release.traffic.where(release.traffic.at < start + WINDOW_S)
        pooled = np.zeros(len(seen), dtype=np.int64)
        for values in (seen.seconds, seen.failed.astype(np.float64)):
            found = rank_sum(Compared(values=values, canary=seen.canary, strata=pooled, windows=pooled))
            if found is not None and beyond(found.z) < 0.05:
                return Ended(result=Result.FAILED, stage=number, at=start + WINDOW_S)
    return _through(plan)


RULES: dict[str, Rule] = {"judge": judged, "threshold": threshold, "bare Mann-Whitney": bare_ranks}


def _windows(plan: Plan) -> list[tuple[int, float]]:
    """(stage, start) of each whole window."""
    return [
        (number, float(start))
        for number, stage in enumerate(plan.stages, 1)
        for start in np.arange(stage.starts_at, stage.ends_at - WINDOW_S + 1e-9, WINDOW_S)
    ]


def _through(plan: Plan) -> Ended:
    return Ended(result=Result.SUCCESSFUL, stage=len(plan.stages), at=plan.stages[-1].ends_at)


def exposed(traffic: Traffic, at: float) -> int:
    """Requests that the new version answered until then."""
    return int((traffic.canary & (traffic.at < at)).sum())
