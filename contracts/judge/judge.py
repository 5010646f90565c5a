"""One look at a rollout: every planned check is answered from the traffic so far. Pure: no clock, no I/O.

A check fails when "the new version is no worse than tolerated" is refuted at this look's level, and succeeds only when "it is
worse by the stated effect" is refuted as well, at the risk of 1 − power. Whatever lies between is inconclusive. False alarms and
misses are thereby bounded by the tests themselves; a sample that is too small can cause neither, only "inconclusive".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from contracts.judge import limits
from contracts.judge.aims import Aims
from contracts.judge.burn import burning
from contracts.judge.judgement import Judgement, Metric, Result, Ruling
from contracts.judge.memory import Memory, judge_memory
from contracts.judge.normal import beyond, quantile
from contracts.judge.plan import Check, Plan
from contracts.judge.ranks import COARSE, Compared, rank_sum, ratio_interval
from contracts.judge.rates import count, difference, p_more
from contracts.judge.silence import silences
from contracts.judge.spending import refuted
from contracts.judge.traffic import EVERYTHING, Traffic

REPORTED = 0.90
"""Confidence of the reported intervals: their upper end is the one-sided 95 % limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Which look this is. Times are seconds on the rollout's own clock, which stands still while the rollout is paused."""

    stage: int
    look: int
    """Number among all looks, from `Plan.look` or `Plan.reserve`."""
    began_at: float
    """When this stage began."""
    now: float
    over: bool
    """The stage has run for its whole time; a stage ended early is never over."""


def judge(plan: Plan, traffic: Traffic, moment: Moment, memory: Memory | None = None, detail: bool = True) -> Judgement:
    """Answer every check of the stage. `detail` also computes intervals of slowdowns, which costs most of the time."""
    seen = traffic.where(traffic.at < moment.now)
    look = _Look(plan=plan, moment=moment, level=plan.spending.level(moment.look), detail=detail)
    rulings = list(_data(look, seen))
    rulings += [look.compare(check, seen) for check in plan.stages[moment.stage].visible]
    if plan.aims.budget is not None:
        rulings.append(budget_ruling(plan.aims.budget, seen, moment.now))
    if plan.aims.memory is not None and memory is not None:
        rulings += judge_memory(plan.aims.memory, memory, moment.now, look.level)
    return Judgement(stage=moment.stage, look=moment.look, over=moment.over, rulings=tuple(rulings))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    plan: Plan
    moment: Moment
    level: float
    detail: bool

    def compare(self, check: Check, seen: Traffic) -> Ruling:
        """The ruling on one check."""
        visible = self.plan.stages[self.moment.stage].visible[check]
        part = seen.segment(check.segment)
        if check.metric is Metric.LATENCY:
            return self._latency(check, part, visible)
        if check.metric is Metric.ERRORS:
            return self._errors(check, part, visible)
        here = part.where(part.at >= self.moment.began_at)
        return limits.judge_limit(self.plan.aims, check, here, visible, self.level)

    def _latency(self, check: Check, part: Traffic, visible: float) -> Ruling:
        answered = part.where(~part.failed)
        if sparse := self._sparse(check, answered, visible):
            return sparse
        found = compared(answered, self.plan.aims)
        # Asked before any scaling, which would tear ties apart and take coarse values for a difference.
        plain = rank_sum(found)
        if plain is None or plain.tied > COARSE:
            reason = "nothing varies" if plain is None else f"{plain.tied:.0%} of the pairs are ties: too coarse"
            return _ruling(check, Result.INCONCLUSIVE, reason, answered, visible=visible)
        worse = rank_sum(found.against(1.0 + self.plan.aims.tolerance))
        better = rank_sum(found.against(visible))
        assert worse is not None
        fine = better is not None and better.z <= -quantile(self.plan.aims.power)
        p = beyond(worse.z)
        result = self._result(p, fine)
        interval = ratio_interval(found, REPORTED) if self._shown(check, result) else None
        low, estimate, high = interval or (math.nan, math.nan, math.nan)
        said = f"{estimate - 1:+.1%} ({low - 1:+.1%} to {high - 1:+.1%})" if interval else f"z {worse.z:.2f}"
        reason = f"{said}; a slowdown of {visible - 1:.1%} is visible"
        return _ruling(check, result, reason, answered, visible=visible, estimate=estimate, low=low, high=high, p=p)

    def _errors(self, check: Check, part: Traffic, visible: float) -> Ruling:
        if sparse := self._sparse(check, part, visible):
            return sparse
        counts = count(part.failed, part.canary, part.strata(self.plan.aims.window_s))
        low, gap, high = difference(counts, 2.0 * self.plan.aims.power - 1.0)
        p = p_more(counts) if gap >= self.plan.aims.least_gap else 1.0
        result = self._result(p, high < visible)
        reason = f"{gap:+.2%} ({low:+.2%} to {high:+.2%}); a rise of {visible:.2%} is visible"
        return _ruling(check, result, reason, part, visible=visible, estimate=gap, low=low, high=high, p=p)

    def _sparse(self, check: Check, part: Traffic, visible: float) -> Ruling | None:
        new = int(part.canary.sum())
        least = min(new, len(part) - new)
        if least >= self.plan.aims.minimum:
            return None
        reason = f"{least} requests of one version; at least {self.plan.aims.minimum} are needed"
        return _ruling(check, Result.INCONCLUSIVE, reason, part, visible=visible)

    def _result(self, p: float, fine: bool) -> Result:
        if refuted(p, self.level):
            return Result.FAILED
        return Result.SUCCESSFUL if fine else Result.INCONCLUSIVE

    def _shown(self, check: Check, result: Result) -> bool:
        """An interval costs sixty tests: of everything, and of what is stopped for."""
        return self.detail and (check.segment == EVERYTHING or result is Result.FAILED)


def compared(traffic: Traffic, aims: Aims) -> Compared:
    """What the rank test sees of the traffic."""
    return Compared(
        values=traffic.durations(),
        canary=traffic.canary,
        strata=traffic.strata(aims.window_s),
        windows=traffic.windows(aims.window_s),
        dispersion=aims.dispersion,
    )


def _ruling(check: Check, result: Result, reason: str, part: Traffic, **numbers: float) -> Ruling:
    new = int(part.canary.sum())
    return Ruling(
        metric=check.metric,
        segment=check.segment,
        result=result,
        reason=reason,
        canary=new,
        baseline=len(part) - new,
        **numbers,
    )


def _data(look: _Look, seen: Traffic) -> list[Ruling]:
    """Missing and stale data: one inconclusive ruling per silence, one success when there is none."""
    moment, plan = look.moment, look.plan
    share = plan.stages[moment.stage].percent / 100.0
    found: list[str] = []
    for name, mine, expected in (("new", seen.canary, share), ("old", ~seen.canary, 1.0 - share)):
        at = seen.at[mine & (seen.at >= moment.began_at)]
        for start, end in silences(at, moment.began_at, moment.now, plan.rate * expected):
            found.append(f"nothing from the {name} version between {start:.0f} s and {end:.0f} s")
    data = Check(metric=Metric.DATA, segment=EVERYTHING)
    if found:
        return [_ruling(data, Result.INCONCLUSIVE, reason, seen) for reason in found]
    return [_ruling(data, Result.SUCCESSFUL, "no gaps", seen)]


def budget_ruling(budget: float, seen: Traffic, now: float) -> Ruling:
    """How the new version uses the error budget up, as a check."""
    found = burning(seen, now, budget)
    check = Check(metric=Metric.BURN_RATE, segment=EVERYTHING)
    if found is None:
        return _ruling(check, Result.SUCCESSFUL, "within every pair of windows", seen)
    said = (
        f"{found.long_rate:.0f} times the budget over {found.windows.long_s:g} s and {found.short_rate:.0f} times over "
    )
    said += f"{found.windows.short_s:g} s (limit {found.windows.factor:g})"
    if found.shared:
        reason = said + "; the old version as well, so the release is not alone in it"
        return _ruling(check, Result.INCONCLUSIVE, reason, seen, estimate=found.long_rate)
    return _ruling(check, Result.FAILED, said, seen, estimate=found.long_rate)


def halted(judgement: Judgement, why: str) -> Judgement:
    """The same look of a rollout that was ended before its time: it can have failed, never succeeded."""
    data = Ruling(metric=Metric.DATA, segment=EVERYTHING, result=Result.INCONCLUSIVE, reason=f"ended early: {why}")
    rulings = (*judgement.rulings, data)
    return Judgement(stage=judgement.stage, look=judgement.look, over=False, rulings=rulings)
