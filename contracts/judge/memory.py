"""Does the new version's memory grow beyond its limit? Judged on what it uses beyond the old version."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.judge.aims import MIB, MemoryLimit
from contracts.judge.judgement import Metric, Result, Ruling
from contracts.judge.spending import refuted
from contracts.judge.traffic import EVERYTHING, Floats
from contracts.judge.trend import LEAST_BLOCKS, blocks, trend

BLOCK_S = 30.0
WARM_UP_S = 60.0
"""A fresh process fills its pools and caches; growth before this is no leak."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Readings of both versions at the same moments, in bytes; `at` is seconds on the rollout's clock."""

    at: Floats
    canary: Floats
    baseline: Floats


def judge_memory(limit: MemoryLimit, memory: Memory, now: float, level: float) -> list[Ruling]:
    """One ruling; none before there are enough blocks to see a trend in (five minutes), unless the limit is passed already."""
    kept = (memory.at >= WARM_UP_S) & (memory.at < now)
    if not kept.any():
        return []
    using = float(memory.canary[kept][-1])
    if using > limit.bytes:
        return [_ruling(Result.FAILED, f"uses {using / MIB:.0f} MiB of {limit.bytes / MIB:.0f}", using)]
    at, extra = blocks(memory.at[kept], (memory.canary - memory.baseline)[kept], BLOCK_S)
    if len(at) < LEAST_BLOCKS:
        return []
    beyond = " beyond the old version" if memory.baseline[kept].any() else ""
    found = trend(at, extra, 0.90)
    if found is None:
        return [_ruling(Result.INCONCLUSIVE, "the readings do not vary: is it measured at all?", using)]
    low, high = (using + max(0.0, slope) * limit.horizon_s for slope in (found.slope_low, found.slope_high))
    said = f"{found.slope * 3600 / MIB:+.0f} MiB per hour{beyond}: {using / MIB:.0f} MiB now, "
    said += (
        f"{low / MIB:.0f} to {high / MIB:.0f} MiB in {limit.horizon_s / 60:g} minutes (limit {limit.bytes / MIB:.0f})"
    )
    if refuted(found.p, level) and low > limit.bytes:
        return [_ruling(Result.FAILED, said, using, low, high, found.p)]
    result = Result.SUCCESSFUL if high <= limit.bytes else Result.INCONCLUSIVE
    return [_ruling(result, said, using, low, high, found.p)]


def _ruling(result: Result, reason: str, using: float, low: float = 0.0, high: float = 0.0, p: float = 1.0) -> Ruling:
    return Ruling(
        metric=Metric.MEMORY,
        segment=EVERYTHING,
        result=result,
        reason=reason,
        estimate=using,
        low=low,
        high=high,
        p=p,
    )
