"""Absolute limits: a share of the requests that may fail, or may take longer than so many seconds. Exact binomial tests.

Where the old version lies above the limit itself, the limit is no measure of the release: comparing is left to the other checks
and the ruling says so.
"""

from __future__ import annotations

import numpy as np

from contracts.judge import binomial
from contracts.judge.aims import Aims
from contracts.judge.judgement import Metric, Result, Ruling
from contracts.judge.plan import Check
from contracts.judge.spending import refuted
from contracts.judge.traffic import Flags, Traffic


def judge_limit(aims: Aims, check: Check, here: Traffic, visible: float, level: float) -> Ruling:
    """The ruling on one limit, from the requests of this stage."""
    over, limit, words = _limit(aims, check, here)
    new, old = over[here.canary], over[~here.canary]
    count, requests = int(new.sum()), len(new)
    if requests < aims.minimum:
        reason = f"{requests} requests; at least {aims.minimum} are needed"
        return _ruling(check, Result.INCONCLUSIVE, reason, here, visible)
    share = count / requests
    said = f"{share:.2%} of the requests {words} (limit {limit:.2%}; {visible:.2%} is visible)"
    if len(old) and refuted(binomial.at_least(int(old.sum()), len(old), limit), level):
        said += "; the old version is above the limit itself, so only the comparison counts"
        return _ruling(check, Result.SUCCESSFUL, said, here, visible, share)
    p = binomial.at_least(count, requests, limit)
    fine = binomial.at_most(count, requests, visible) <= 1.0 - aims.power
    result = Result.FAILED if refuted(p, level) else Result.SUCCESSFUL if fine else Result.INCONCLUSIVE
    return _ruling(check, result, said, here, visible, share, p)


def _limit(aims: Aims, check: Check, here: Traffic) -> tuple[Flags, float, str]:
    """(requests beyond the limit, share that may be, words for it)."""
    if check.metric is Metric.ERROR_LIMIT:
        assert aims.error_limit is not None
        return here.failed, aims.error_limit, "fail"
    limit = aims.latency_limits[check.limit]
    return here.seconds > limit.seconds, 1.0 - limit.quantile, f"take longer than {limit.seconds:g} s"


def _ruling(
    check: Check, result: Result, reason: str, here: Traffic, visible: float, share: float = np.nan, p: float = np.nan
) -> Ruling:
    new = int(here.canary.sum())
    return Ruling(
        metric=check.metric,
        segment=check.segment,
        result=result,
        reason=reason,
        estimate=share,
        visible=visible,
        p=p,
        canary=new,
        baseline=len(here) - new,
    )
