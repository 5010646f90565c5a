"""What a rollout cost and why it ended, in words and figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from contracts.enforcement.observing import Request
from contracts.enforcement.rollout import Rollout, StageRow
from contracts.judge.judgement import Judgement, Metric, Result
from contracts.judge.plan import Plan, PlannedStage
from contracts.judge.rates import count, difference
from contracts.judge.traffic import Traffic

MONTH_S = 30 * 24 * 3600.0


def sees(stage: PlannedStage) -> list[str]:
    """The smallest visible effect of each check, in words."""
    words = []
    for check, effect in stage.visible.items():
        match check.metric:
            case Metric.LATENCY:
                words.append(f"{check.segment}: slower by {effect - 1:.1%}")
            case Metric.ERRORS:
                words.append(f"{check.segment}: {effect:.2%} more failures")
            case _:
                words.append(f"{check.metric.value.replace('_', ' ')}: {effect:.2%} of the requests")
    return words


def cost(traffic: Traffic, plan: Plan) -> tuple[int, float]:
    """(requests the new version answered, share of the 30 days' error budget that it cost beyond the old version)."""
    exposed = int(traffic.canary.sum())
    if plan.aims.budget is None or not exposed:
        return exposed, 0.0
    counts = count(traffic.failed, traffic.canary, traffic.strata(plan.aims.window_s))
    excess = max(0.0, difference(counts, 0.9)[1]) * exposed
    return exposed, excess / (plan.aims.budget * plan.rate * MONTH_S)


def cost_alone(traffic: Traffic, budget: float | None, before: Sequence[Request]) -> tuple[int, float]:
    """The same of a release that nothing ran beside: compared with the time before it. `before`: requests of that time."""
    exposed = int(traffic.canary.sum())
    times = [request.at for request in before]
    seconds = max(times, default=0.0) - min(times, default=0.0)
    if budget is None or not exposed or seconds <= 0:
        return exposed, 0.0
    usual = sum(request.failed for request in before) / len(before)
    excess = max(0.0, float(traffic.failed[traffic.canary].mean()) - usual) * exposed
    return exposed, excess / (budget * len(before) / seconds * MONTH_S)


def explained(rollout: Rollout, judgement: Judgement, traffic: Traffic) -> list[str]:
    """Why it is taken back: the broken terms with their numbers, where, and how many requests met the new version."""
    row = rollout.now
    failed = [r for r in judgement.rulings if r.result is Result.FAILED]
    cause = failed or [r for r in judgement.rulings if r.result is Result.INCONCLUSIVE]
    verb = "broke a term" if failed else "could not be judged in the time the contract gives"
    lines = [f"{rollout.version} of {rollout.service} {verb} at {row.percent:g} % ({_when(rollout, row)})"]
    lines += [f"{r.metric.value.replace('_', ' ')} of {r.segment}: {r.reason}" for r in cause[:6]]
    share = float(np.mean(traffic.canary)) if len(traffic) else 0.0
    return [*lines, f"{int(traffic.canary.sum())} requests ({share:.1%}) were answered by {rollout.version} until then"]


def _when(rollout: Rollout, row: StageRow) -> str:
    began = row.began_at if row.began_at is not None else rollout.clock
    return f"stage {rollout.stage + 1}, {rollout.read_to - began:.0f} s after it began"
