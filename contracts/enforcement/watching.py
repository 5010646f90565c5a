"""What is looked at beside the planned comparisons: a budget that burns, and the time when nothing is left to compare with."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.enforcement.observing import Reading, alone
from contracts.enforcement.rollout import Rollout, RolloutStatus
from contracts.judge.aims import Aims
from contracts.judge.burn import burning
from contracts.judge.judge import budget_ruling
from contracts.judge.judgement import Judgement, Metric, Result, Ruling
from contracts.judge.limits import judge_limit
from contracts.judge.memory import judge_memory
from contracts.judge.plan import Check, visible_share
from contracts.judge.traffic import EVERYTHING, Traffic

LEVEL = 1e-4
"""Of each limit at each look while the new version has everything."""
WATCHED = (RolloutStatus.RUNNING, RolloutStatus.WAITING)


def urgent(rollout: Rollout, traffic: Traffic, aims: Aims) -> Judgement | None:
    """A failed judgement when the new version alone burns the budget too fast: that waits for no look and for no person."""
    if rollout.status not in WATCHED or aims.budget is None:
        return None
    found = burning(traffic, rollout.read_to, aims.budget)
    if found is None or found.shared:
        return None
    ruling = budget_ruling(aims.budget, traffic, rollout.read_to)
    return Judgement(stage=rollout.stage, look=0, over=False, rulings=(ruling,))


def everything(
    rollout: Rollout, traffic: Traffic, aims: Aims, now: float, over: bool, readings: Sequence[Reading] = ()
) -> Judgement:
    """Limits, budget and memory of a version that has all requests; there is no old version left to compare with."""
    began = rollout.now.began_at or 0.0
    here = traffic.where(traffic.canary & (traffic.at >= began) & (traffic.at < now))
    rulings = [_limit(aims, check, here) for check in _checks(aims)]
    if aims.budget is not None:
        rulings.append(budget_ruling(aims.budget, here, now))
    if aims.memory is not None:
        rulings += judge_memory(aims.memory, alone(readings, began), now - began, LEVEL)
    if len(here) < aims.minimum:
        rulings.append(_too_few(len(here), aims))
    return Judgement(stage=rollout.stage, look=0, over=over, rulings=tuple(rulings))


def _checks(aims: Aims) -> list[Check]:
    found = [Check(metric=Metric.ERROR_LIMIT, segment=EVERYTHING)] if aims.error_limit is not None else []
    return [
        *found,
        *(
            Check(metric=Metric.LATENCY_LIMIT, segment=EVERYTHING, limit=place)
            for place in range(len(aims.latency_limits))
        ),
    ]


def _limit(aims: Aims, check: Check, here: Traffic) -> Ruling:
    limit = aims.error_limit if check.metric is Metric.ERROR_LIMIT else 1.0 - aims.latency_limits[check.limit].quantile
    assert limit is not None
    return judge_limit(aims, check, here, visible_share(limit, max(1, len(here)), LEVEL, aims.power), LEVEL)


def _too_few(requests: int, aims: Aims) -> Ruling:
    reason = f"{requests} requests since it has everything; at least {aims.minimum} are needed"
    return Ruling(metric=Metric.DATA, segment=EVERYTHING, result=Result.INCONCLUSIVE, reason=reason, canary=requests)
