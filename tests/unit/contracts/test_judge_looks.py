"""One look at a rollout: what fails, what succeeds, and everything that is neither."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.judge.aims import MIB, Aims, LatencyLimit, MemoryLimit
from contracts.judge.burn import burning
from contracts.judge.judge import Moment, halted, judge
from contracts.judge.judgement import Judgement, Metric, Result, worst
from contracts.judge.limits import judge_limit
from contracts.judge.memory import Memory, judge_memory
from contracts.judge.plan import Check, Plan, plan, visible_share
from contracts.judge.traffic import EVERYTHING, Labels, Segment, Traffic, segments
from domain.errors import ConfigError, EvidenceError
from tests.fakes.traffic import Stage, drawn

AIMS = Aims(error_limit=0.02, latency_limits=(LatencyLimit(quantile=0.95, seconds=0.25),), budget=0.01)
STAGE = Stage(percent=50, seconds=300)
BEFORE = drawn(0, percent=0)
PLAN = plan([STAGE], BEFORE, AIMS)
END = Moment(stage=0, look=2, began_at=0.0, now=300.0, over=True)


def at_the_end(traffic: Traffic, planned: Plan = PLAN) -> Judgement:
    return judge(planned, traffic, END, detail=False)


def failing(judgement: Judgement) -> set[tuple[Metric, str]]:
    return {(r.metric, str(r.segment)) for r in judgement.rulings if r.result is Result.FAILED}


def ruling(judgement: Judgement, metric: Metric, segment: Segment = EVERYTHING):  # type: ignore[no-untyped-def]
    return next(r for r in judgement.rulings if r.metric is metric and r.segment == segment)


def test_a_release_without_a_change_succeeds() -> None:
    """Every check sees enough and nothing; the document is plain JSON."""
    found = judge(PLAN, drawn(1), END)
    assert found.result is Result.SUCCESSFUL
    assert all(r.result is Result.SUCCESSFUL for r in found.rulings)
    assert json.loads(json.dumps(found.document(), allow_nan=False))["result"] == "successful"
    latency = ruling(found, Metric.LATENCY)
    assert latency.low < 1.0 < latency.high < latency.visible


@pytest.mark.parametrize(
    ("worse", "seen"),
    [
        ({"slower": 1.12}, (Metric.LATENCY, "all requests")),
        ({"failing": 0.03}, (Metric.ERRORS, "all requests")),
        ({"slower": {"read": 1.4}}, (Metric.LATENCY, "route read")),
        ({"failing": {"order": 0.06}}, (Metric.ERRORS, "route order")),
        ({"slower": {"business": 1.35}}, (Metric.LATENCY, "group business")),
        ({"failing": {"business": 0.12}}, (Metric.ERRORS, "group business")),
    ],
)
def test_what_is_worse_is_stopped_and_named(worse: dict[str, float], seen: tuple[Metric, str]) -> None:
    """For everybody, for one route only, for one group of customers only."""
    found = at_the_end(drawn(2, **worse))
    assert found.result is Result.FAILED
    assert seen in failing(found)


@settings(max_examples=8)
@given(st.integers(0, 10**6), st.floats(0.7, 1.5), st.floats(0.0, 0.05))
def test_a_stage_that_is_not_over_never_succeeds(seed: int, slower: float, broken: float) -> None:
    """Whatever the traffic looks like: an analysis that ended early can fail, and nothing else."""
    traffic = drawn(seed, seconds=150, slower=slower, failing=broken)
    early = judge(PLAN, traffic, replace(END, now=150.0, look=1, over=False), detail=False)
    assert early.result is not Result.SUCCESSFUL
    ended = halted(at_the_end(drawn(seed)), "the connection was lost")
    assert ended.result is not Result.SUCCESSFUL
    assert "ended early: the connection was lost" in " ".join(ended.reasons) or ended.result is Result.FAILED


@pytest.mark.parametrize(
    ("traffic", "word"),
    [
        (drawn(3, rate=0.2), "at least 50 are needed"),
        (drawn(3).where(np.zeros(len(drawn(3)), dtype=bool)), "nothing from the new version"),
        (drawn(3).between(0, 200), "nothing from the old version between"),
        (drawn(3).where(~drawn(3).canary), "nothing from the new version between 0 s and 300 s"),
        (replace(drawn(3), seconds=np.full(len(drawn(3)), 0.01)), "nothing varies"),
        (replace(drawn(3), seconds=np.round(drawn(3).seconds, 1)), "too coarse"),
    ],
)
def test_sparse_missing_stale_constant_and_coarse_data_are_inconclusive(traffic: Traffic, word: str) -> None:
    """Never a success, and the reason is said."""
    found = at_the_end(traffic)
    assert found.result is Result.INCONCLUSIVE
    assert word in " | ".join(found.reasons)


def test_no_failure_at_all_is_enough_only_with_enough_requests() -> None:
    """Zero failures of few requests exclude little: inconclusive; of many they exclude the visible rise: successful."""
    few, many = drawn(4, always=0.0, rate=2.0), drawn(4, always=0.0)
    assert ruling(at_the_end(many), Metric.ERRORS).result is Result.SUCCESSFUL
    assert ruling(at_the_end(few), Metric.ERRORS).result is Result.INCONCLUSIVE


def test_failures_that_are_fast_do_not_make_a_release_fast() -> None:
    """Durations are those of answers; what failed counts with the failures."""
    traffic = drawn(5, failing=0.3)
    quick = replace(traffic, seconds=np.where(traffic.failed, 1e-4, traffic.seconds))
    assert ruling(at_the_end(quick), Metric.LATENCY).result is Result.SUCCESSFUL


def test_a_look_that_was_not_planned_cannot_stop_anything_by_comparing() -> None:
    """Nothing of the accepted risk is left for it."""
    found = judge(PLAN, drawn(6, slower=1.5), replace(END, look=99), detail=False)
    assert Metric.LATENCY not in {metric for metric, _ in failing(found)}


def test_the_plan_says_what_each_stage_sees_and_what_is_not_watched() -> None:
    """Later stages see more; a share that no stage can judge is listed; looks have numbers of their own."""
    stages = [Stage(percent=5, seconds=300), Stage(percent=25, seconds=300), Stage(percent=50, seconds=300)]
    rare = replace(BEFORE, labels={"route": Labels(names=("rare", "usual"), codes=(BEFORE.at > 1).astype(np.int64))})
    found = plan(stages, rare, AIMS)
    seen = [stage.visible[Check(metric=Metric.LATENCY, segment=EVERYTHING)] for stage in found.stages]
    assert seen == sorted(seen, reverse=True)
    assert found.visible(Metric.LATENCY) == seen[-1]
    assert Segment(dimension="route", name="rare") in found.unwatched
    assert found.visible(Metric.ERRORS, Segment(dimension="route", name="rare")) == math.inf
    assert [found.look(1, 0), found.look(2, 1), found.reserve(0), found.reserve(2)] == [3, 6, 7, 9]
    assert [stage.ends_at for stage in found.stages] == [300, 600, 900]


def test_traffic_that_nothing_can_be_planned_with_is_refused() -> None:
    """Too little of it, no split, columns that do not fit, impossible numbers."""
    with pytest.raises(EvidenceError):
        plan([STAGE], BEFORE.between(0, 1), AIMS)
    with pytest.raises(EvidenceError):
        plan([Stage(percent=100, seconds=10)], BEFORE, AIMS)
    with pytest.raises(EvidenceError):
        plan([], BEFORE, AIMS)
    with pytest.raises(EvidenceError):
        replace(BEFORE, at=np.zeros(3))
    with pytest.raises(EvidenceError):
        replace(BEFORE, seconds=-BEFORE.seconds)
    with pytest.raises(ConfigError):
        Aims(alpha=1.0)
    with pytest.raises(ConfigError):
        Aims(window_s=0.0)


def test_a_limit_that_the_old_version_breaks_itself_is_no_measure_of_the_release() -> None:
    """Both fail far too often: only the comparison counts, and the ruling says so."""
    both = at_the_end(drawn(7, always=0.08))
    assert ruling(both, Metric.ERROR_LIMIT).result is Result.SUCCESSFUL
    assert "the old version is above the limit itself" in ruling(both, Metric.ERROR_LIMIT).reason
    alone = at_the_end(drawn(7, failing=0.08))
    assert ruling(alone, Metric.ERROR_LIMIT).result is Result.FAILED


def test_a_limit_on_durations_is_a_share_of_requests() -> None:
    """p95 above 250 ms is more than 5 % of the requests above 250 ms; too few requests say nothing."""
    slow = at_the_end(drawn(8, slower=8.0))
    assert ruling(slow, Metric.LATENCY_LIMIT).result is Result.FAILED
    check = Check(metric=Metric.LATENCY_LIMIT, segment=EVERYTHING)
    assert judge_limit(AIMS, check, drawn(8, rate=0.1), 0.1, 0.01).result is Result.INCONCLUSIVE
    assert visible_share(0.02, 10, 1e-30, 0.95) == math.inf


def test_burning_needs_both_windows_and_an_old_version_that_does_not_burn() -> None:
    """What is over has stopped burning; what burns everywhere is not the release's doing."""
    traffic = drawn(9, failing=0.5)
    assert burning(traffic, 300.0, 0.01) is not None
    over = replace(traffic, failed=traffic.failed & (traffic.at < 250))
    assert burning(over, 300.0, 0.01) is None
    shared = burning(replace(traffic, failed=np.ones(len(traffic), dtype=bool)), 300.0, 0.01)
    assert shared is not None
    assert shared.shared
    both = at_the_end(replace(traffic, failed=np.arange(len(traffic)) % 2 == 0))
    assert ruling(both, Metric.BURN_RATE).result is Result.INCONCLUSIVE
    assert ruling(at_the_end(traffic), Metric.BURN_RATE).result is Result.FAILED


def test_memory_that_grows_without_end_is_stopped_and_a_plateau_is_not() -> None:
    """Beyond the old version, after the warm-up, with enough blocks; a flat line of readings is no measurement."""
    at = np.arange(0.0, 600.0, 5.0)
    noise = np.random.default_rng(1).normal(0, 0.3, len(at)) * MIB
    old = np.full(len(at), 90.0 * MIB)
    limit = MemoryLimit(bytes=200 * MIB, horizon_s=1200)

    def seen(new: np.ndarray, now: float = 600.0) -> list[Result]:
        return [r.result for r in judge_memory(limit, Memory(at=at, canary=new, baseline=old), now, 1e-4)]

    assert seen(old + noise + at * 0.15 * MIB) == [Result.FAILED]
    assert seen(old + noise + 20 * MIB * (1 - np.exp(-at / 20))) == [Result.SUCCESSFUL]
    assert seen(old + noise + 150 * MIB) == [Result.FAILED]
    assert seen(old.copy()) == [Result.INCONCLUSIVE]
    assert seen(old + noise, now=120.0) == []
    steady = Memory(at=at, canary=old + noise, baseline=old)
    planned = plan([STAGE], BEFORE, replace(AIMS, memory=limit))
    assert judge(planned, drawn(1), END, steady).result is Result.SUCCESSFUL


def test_the_worst_result_counts_and_none_is_inconclusive() -> None:
    """As everywhere: no answer is not a yes."""
    assert worst([Result.SUCCESSFUL, Result.FAILED, Result.INCONCLUSIVE]) is Result.FAILED
    assert worst([Result.SUCCESSFUL, Result.INCONCLUSIVE]) is Result.INCONCLUSIVE
    assert worst([Result.SUCCESSFUL]) is Result.SUCCESSFUL
    assert worst([]) is Result.INCONCLUSIVE
    nothing = Judgement(stage=0, look=1, over=True, rulings=())
    assert (nothing.result, nothing.reasons) == (Result.INCONCLUSIVE, ("nothing was checked",))
    waiting = replace(at_the_end(drawn(1)), over=False)
    assert waiting.reasons == ("the stage is not over",)


def test_segments_are_everything_and_each_value_of_what_varies() -> None:
    """A dimension with one value is everything again; unknown names have no requests."""
    one = replace(
        BEFORE,
        labels={
            "zone": Labels.of(["a"] * len(BEFORE)),
            "kind": Labels.of(["x", "y"] * (len(BEFORE) // 2) + ["x"] * (len(BEFORE) % 2)),
        },
    )
    assert [str(s) for s in segments(one)] == ["all requests", "kind x", "kind y"]
    assert len(one.segment(Segment(dimension="kind", name="z"))) == 0
    assert len(one.segment(Segment(dimension="other", name="z"))) == 0
    assert len(set(one.strata(30.0).tolist())) == 10
