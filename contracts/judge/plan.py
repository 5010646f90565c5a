"""Before a rollout: what will be checked in which stage, and the smallest effect that each check will be able to see."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from contracts.judge import binomial, power
from contracts.judge.aims import Aims, Staged
from contracts.judge.judgement import Metric
from contracts.judge.spending import Spending
from contracts.judge.traffic import EVERYTHING, Floats, Segment, Traffic, segments
from domain.errors import EvidenceError

LARGEST_GAP = 0.5
"""A check that only sees a rise of the failure ratio above this is of no use in a stage."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Check:
    """One question: a metric in a segment; `limit` numbers the limits on latency."""

    metric: Metric
    segment: Segment
    limit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStage:
    """A stage with what it will be able to see. `visible` maps each check to its smallest effect."""

    percent: float
    seconds: float
    starts_at: float
    visible: Mapping[Check, float]

    @property
    def ends_at(self) -> float:
        """Seconds after the rollout's start, when it is not extended."""
        return self.starts_at + self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that is fixed before the first request reaches the new version."""

    aims: Aims
    stages: tuple[PlannedStage, ...]
    spending: Spending
    rate: float
    """Requests per second that are expected, both versions together."""
    unwatched: tuple[Segment, ...]
    """Segments with too little traffic for any check in any stage."""

    def visible(self, metric: Metric, segment: Segment = EVERYTHING) -> float:
        """The smallest effect that the whole rollout sees; infinity when none."""
        found = [stage.visible.get(Check(metric=metric, segment=segment), math.inf) for stage in self.stages]
        return min(found, default=math.inf)

    def look(self, stage: int, number: int) -> int:
        """The number of a stage's look (from 0) among all looks; those beyond the planned ones are in reserve."""
        return stage * self.aims.looks + min(number, self.aims.looks - 1) + 1

    def reserve(self, used: int) -> int:
        """The number of the next look in reserve after so many."""
        return len(self.stages) * self.aims.looks + used + 1


def plan(stages: Sequence[Staged], before: Traffic, aims: Aims) -> Plan:
    """Plan a rollout for traffic like `before`, which the old version answered alone in normal times.

    Stages at 0 or 100 % compare nothing and are refused. Raises EvidenceError when there is no traffic to plan with.
    """
    if len(before) < aims.minimum or np.ptp(before.at) == 0:
        expected = f"at least {aims.minimum} requests over some time"
        raise EvidenceError("there is too little traffic to plan with", expected=expected, found=str(len(before)))
    if not stages or any(not 0 < stage.percent < 100 or stage.seconds <= 0 for stage in stages):
        raise EvidenceError("a judged stage splits the traffic", expected="0 < percent < 100 and seconds above 0")
    every = segments(before)
    limits = (aims.error_limit is not None) + len(aims.latency_limits) + (aims.memory is not None)
    checks = 2 * len(every) + limits
    spending = Spending(alpha=aims.alpha, looks=len(stages) * aims.looks + aims.extensions, checks=checks)
    view = _View(before=before, aims=aims, spending=spending, stages=tuple(stages), every=every)
    planned = tuple(view.stage(number) for number in range(len(stages)))
    seen = {check.segment for stage in planned for check in stage.visible}
    return Plan(
        aims=aims,
        stages=planned,
        spending=spending,
        rate=len(before) / float(np.ptp(before.at)),
        unwatched=tuple(segment for segment in every if segment not in seen),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """Foresees samples from traffic of the past."""

    before: Traffic
    aims: Aims
    spending: Spending
    stages: tuple[Staged, ...]
    every: tuple[Segment, ...]

    def stage(self, number: int) -> PlannedStage:
        level = self.spending.level((number + 1) * self.aims.looks)
        visible: dict[Check, float] = {}
        for segment in self.every:
            visible |= self._compared(segment, number, level)
        visible |= self._limited(number, level)
        chosen = self.stages[number]
        return PlannedStage(
            percent=chosen.percent,
            seconds=chosen.seconds,
            starts_at=sum(stage.seconds for stage in self.stages[:number]),
            visible={check: effect for check, effect in visible.items() if math.isfinite(effect)},
        )

    @property
    def _expected(self) -> float:
        """Requests that must be expected so that chance does not leave fewer than the minimum (three deviations)."""
        return self.aims.minimum + 3.0 * math.sqrt(self.aims.minimum)

    def _compared(self, segment: Segment, number: int, level: float) -> dict[Check, float]:
        traffic = self.before.segment(segment)
        new, old = self._requests(traffic, number)
        if min(new.sum(), old.sum()) < self._expected:
            return {}
        aims, routes = self.aims, _by_route(traffic)
        weights = [power.information(*self._strata(part, number)) for part in routes]
        kept = [part.where(~part.failed).durations() for part in routes]

        def spread(ratio: float) -> float:
            found = [w * power.superiority(part, ratio) for w, part in zip(weights, kept, strict=True) if len(part)]
            return sum(found) / sum(w for w, part in zip(weights, kept, strict=True) if len(part))

        effect = power.visible_ratio(spread, sum(weights) / aims.dispersion, level, aims.power, aims.tolerance)
        worth = float((new * old / np.maximum(new + old, 1.0)).sum())
        even = worth * new.sum() / max(new.sum() - worth, 1e-9)
        gap = power.visible_gap(float(traffic.failed.mean()), float(new.sum()), even, level, aims.power)
        found = {Check(metric=Metric.LATENCY, segment=segment): effect}
        if gap <= LARGEST_GAP:
            found[Check(metric=Metric.ERRORS, segment=segment)] = max(gap, aims.least_gap)
        return found

    def _limited(self, number: int, level: float) -> dict[Check, float]:
        requests = math.floor(self._requests(self.before, number)[0][-1])
        shares = {} if self.aims.error_limit is None else {(Metric.ERROR_LIMIT, 0): self.aims.error_limit}
        shares |= {
            (Metric.LATENCY_LIMIT, place): 1.0 - limit.quantile for place, limit in enumerate(self.aims.latency_limits)
        }
        if requests < self._expected:
            return {}
        return {
            Check(metric=metric, segment=EVERYTHING, limit=place): visible_share(
                share, requests, level, self.aims.power
            )
            for (metric, place), share in shares.items()
        }

    def _requests(self, traffic: Traffic, number: int) -> tuple[Floats, Floats]:
        """Requests of each version per stage up to this one."""
        rate = len(traffic) / float(np.ptp(self.before.at))
        shares = np.array([stage.percent / 100.0 for stage in self.stages[: number + 1]])
        total = np.array([stage.seconds * rate for stage in self.stages[: number + 1]])
        return total * shares, total * (1.0 - shares)

    def _strata(self, traffic: Traffic, number: int) -> tuple[Floats, Floats]:
        """Requests of each version per window of the stages up to this one."""
        new, old = self._requests(traffic, number)
        windows = [max(1, round(stage.seconds / self.aims.window_s)) for stage in self.stages[: number + 1]]
        return np.repeat(new / windows, windows), np.repeat(old / windows, windows)


def _by_route(traffic: Traffic) -> list[Traffic]:
    labels = traffic.labels.get("route")
    if labels is None:
        return [traffic]
    return [traffic.where(labels.codes == code) for code in np.unique(labels.codes)]


def visible_share(limit: float, requests: int, level: float, wanted: float) -> float:
    """The smallest share above `limit` that is found with power `wanted`; infinity when none is."""
    counts = np.cumsum(binomial.mass(requests, limit)[::-1])[::-1]
    beyond = np.flatnonzero(counts <= level)
    if not len(beyond):
        return math.inf
    return binomial.lower(int(beyond[0]), requests, wanted)
