"""The judge's tests and limits against laws, published figures and another implementation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.judge import binomial, power
from contracts.judge.normal import beyond, quantile
from contracts.judge.ranks import Compared, RankSum, rank_sum, ratio_interval
from contracts.judge.rates import Counts, count, difference, p_more
from contracts.judge.silence import silences
from contracts.judge.spending import Spending
from contracts.judge.trend import blocks, trend
from domain.errors import ConfigError
from tests.fakes.traffic import drawn

ROWS = st.lists(st.tuples(st.integers(0, 12), st.booleans(), st.integers(0, 3)), min_size=2, max_size=60)


def apart(values, canary, strata, windows=None, dispersion=1.0) -> Compared:  # type: ignore[no-untyped-def]
    """Columns as the test takes them; one window unless said."""
    return Compared(
        values=values,
        canary=canary,
        strata=strata,
        windows=np.zeros_like(strata) if windows is None else windows,
        dispersion=dispersion,
    )


def ranked(values, canary, strata) -> RankSum | None:  # type: ignore[no-untyped-def]
    return rank_sum(apart(values, canary, strata))


def columns(rows: list[tuple[int, bool, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values, canary, strata = zip(*rows, strict=True)
    return np.array(values, dtype=float), np.array(canary), np.array(strata)


@given(ROWS)
def test_one_stratum_is_the_mann_whitney_test(rows: list[tuple[int, bool, int]]) -> None:
    """Without strata the statistic is U with its tie correction, as another library computes it."""
    from scipy import stats  # two seconds that only this part of the suite needs

    values, canary, strata = columns(rows)
    found = ranked(values, canary, np.zeros_like(strata))
    if found is None:
        assert canary.all() or not canary.any() or np.ptp(values) == 0
        return
    other = stats.mannwhitneyu(
        values[canary], values[~canary], use_continuity=False, method="asymptotic", alternative="greater"
    )
    assert beyond(found.z) == pytest.approx(other.pvalue, abs=1e-9)
    assert found.superiority == pytest.approx(other.statistic / (canary.sum() * (~canary).sum()))


@given(ROWS, st.randoms(use_true_random=False))
def test_the_rank_sum_knows_neither_order_nor_scale_and_is_fair_to_both(rows, random) -> None:  # type: ignore[no-untyped-def]
    """Shuffled rows and stretched values change nothing; swapping the versions turns the sign."""
    values, canary, strata = columns(rows)
    found = ranked(values, canary, strata)
    random.shuffle(rows)
    shuffled, stretched = ranked(*columns(rows)), ranked(np.exp(values / 3.0), canary, strata)
    swapped = ranked(values, ~canary, strata)
    if found is None:
        assert shuffled is None
        assert swapped is None
        return
    assert shuffled is not None
    assert stretched is not None
    assert swapped is not None
    assert found.z == pytest.approx(shuffled.z)
    assert found.z == pytest.approx(stretched.z)
    assert found.z == pytest.approx(-swapped.z)


def test_a_stratum_with_one_version_only_says_nothing() -> None:
    """Requests that nothing can be compared with change no statistic."""
    traffic = drawn(1, seconds=60)
    strata = traffic.strata(30.0)
    alone = np.append(traffic.durations(), [9.0, 9.0])
    with_alone = ranked(alone, np.append(traffic.canary, [True, True]), np.append(strata, [10**6, 10**6]))
    without = ranked(traffic.durations(), traffic.canary, strata)
    assert with_alone is not None
    assert without is not None
    assert with_alone.z == pytest.approx(without.z)


def test_a_share_that_grows_while_everything_gets_slower_is_no_difference() -> None:
    """Simpson's paradox: pooled it looks like a slow release, within windows it does not."""
    calm, busy = drawn(2, percent=5, seconds=600), drawn(3, percent=50, seconds=600, start=600.0)
    values = np.concatenate((calm.durations(), busy.durations() + 0.5))
    canary = np.concatenate((calm.canary, busy.canary))
    strata = np.concatenate((calm.strata(30.0), busy.strata(30.0)))
    pooled, within = ranked(values, canary, np.zeros_like(strata)), ranked(values, canary, strata)
    assert pooled is not None
    assert within is not None
    assert pooled.z > 8
    assert abs(within.z) < 3


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.floats(0.5, 3.0))
def test_the_interval_moves_with_the_effect(seed: int, ratio: float) -> None:
    """Making the new version `ratio` times slower multiplies estimate and limits by that ratio."""
    traffic = drawn(seed, seconds=40)
    values, strata = traffic.durations(), traffic.strata(30.0)
    before = ratio_interval(apart(values, traffic.canary, strata), 0.9)
    after = ratio_interval(apart(values + np.where(traffic.canary, math.log(ratio), 0.0), traffic.canary, strata), 0.9)
    assert before is not None
    assert after is not None
    assert after == pytest.approx([ratio * edge for edge in before], rel=1e-3)
    assert before[0] <= before[1] <= before[2]


def test_false_alarms_of_the_rank_test_are_as_promised() -> None:
    """Of 1,000 samples without a difference about one in twenty is beyond the 5 % limit."""
    limit = quantile(0.95)
    alarms = 0
    for seed in range(1000):
        traffic = drawn(seed, seconds=15, percent=25)
        found = ranked(traffic.durations(), traffic.canary, traffic.strata(5.0))
        alarms += found is not None and found.z > limit
    assert 30 <= alarms <= 72


def test_windows_that_differ_more_than_chance_widen_the_test() -> None:
    """A process that is slow for whole windows at a time is no proof; a stated dispersion is the least."""
    rng, alarms = np.random.default_rng(11), 0
    for seed in range(200):
        traffic = drawn(seed, seconds=200)
        windows = traffic.windows(10.0)
        mood = rng.normal(0, 0.15, 20)[windows]
        values = traffic.durations() + np.where(traffic.canary, mood, 0.0)
        found = rank_sum(apart(values, traffic.canary, traffic.strata(10.0), windows))
        assert found is not None
        assert found.dispersion > 1.5
        alarms += abs(found.z) > 1.96
    assert alarms <= 24
    stated = rank_sum(apart(traffic.durations(), traffic.canary, traffic.strata(10.0), windows, 4.0))
    free = rank_sum(apart(traffic.durations(), traffic.canary, traffic.strata(10.0), np.zeros_like(windows)))
    assert stated is not None
    assert free is not None
    assert stated.z == pytest.approx(free.z / 2.0)


def test_values_that_are_all_alike_or_of_one_version_have_no_statistic() -> None:
    """Zero variance and an empty side are not zero difference."""
    same, both = np.ones(20), np.arange(20) % 2 == 0
    assert ranked(same, both, np.zeros(20, dtype=int)) is None
    assert ranked(np.arange(20.0), np.ones(20, dtype=bool), np.zeros(20, dtype=int)) is None
    assert ratio_interval(apart(same, both, np.zeros(20, dtype=int)), 0.9) is None
    assert ranked(np.empty(0), np.empty(0, dtype=bool), np.empty(0, dtype=int)) is None


@given(st.integers(0, 60), st.integers(1, 60), st.floats(0.001, 0.2))
def test_limits_of_a_share_are_clopper_and_pearsons(count_: int, more: int, risk: float) -> None:
    """Against the beta distribution."""
    from scipy import stats

    trials = count_ + more
    below, above = binomial.lower(count_, trials, risk), binomial.upper(count_, trials, risk)
    assert below == pytest.approx(stats.beta.ppf(risk, count_, more + 1) if count_ else 0.0, abs=1e-9)
    assert above == pytest.approx(stats.beta.ppf(1 - risk, count_ + 1, more), abs=1e-9)


def test_limits_without_trials_are_everything() -> None:
    """Nothing seen excludes nothing."""
    assert (binomial.lower(0, 0, 0.05), binomial.upper(0, 0, 0.05)) == (0.0, 1.0)
    assert binomial.at_least(0, 10, 0.0) == 1.0
    assert binomial.at_least(1, 10, 0.0) == 0.0
    assert binomial.at_most(9, 10, 1.0) == 0.0


def test_the_difference_of_two_ratios_is_newcombes() -> None:
    """Newcombe (1998), table II (a), method 10: 56/70 − 48/80 is 0.2 with 0.0524 to 0.3339."""
    found = difference(_counts(70, 56, 80, 48), 0.95)
    assert found == pytest.approx((0.0524, 0.2, 0.3339), abs=1e-4)
    assert difference(Counts(**dict.fromkeys(("new", "old", "new_failures", "old_failures"), np.empty(0))), 0.9) == (
        -1.0,
        0.0,
        1.0,
    )


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(0, 4), st.integers(0, 4)), min_size=1))
def test_more_failures_of_the_new_version_are_less_likely(rows: list[tuple[int, int, int, int]]) -> None:
    """The exact test is monotone, a probability, and 1 when nothing failed."""
    new, old, bad, old_bad = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    before = p_more(Counts(new=new, old=old, new_failures=bad, old_failures=old_bad))
    bad[0] += 1
    after = p_more(Counts(new=new, old=old, new_failures=bad, old_failures=old_bad))
    assert 0.0 <= after <= before + 1e-12 <= 1.0 + 1e-9
    none = np.zeros(len(rows))
    assert p_more(Counts(new=new, old=old, new_failures=none, old_failures=none)) == 1.0


def test_counting_leaves_out_what_cannot_be_compared() -> None:
    """A window in which only one version answered has no part in the comparison."""
    failed, canary = np.array([True, False, True, True]), np.array([True, False, False, False])
    counts = count(failed, canary, np.array([0, 0, 1, 1]))
    assert (counts.new.tolist(), counts.old.tolist()) == ([1.0], [1.0])
    assert count(failed, np.zeros(4, dtype=bool), np.zeros(4, dtype=int)).empty


@given(st.floats(1e-4, 0.4), st.integers(1, 40), st.integers(1, 50), st.floats(0.3, 4.0))
def test_all_looks_together_never_spend_more_than_was_accepted(
    alpha: float, looks: int, checks: int, rho: float
) -> None:
    """The sum over looks and checks is alpha; a look beyond the plan can refute nothing."""
    plan = Spending(alpha=alpha, looks=looks, checks=checks, rho=rho)
    levels = [plan.level(look) for look in range(looks + 3)]
    assert sum(levels) * checks == pytest.approx(alpha)
    assert levels[0] == levels[-1] == levels[-2] == 0.0


@pytest.mark.parametrize("wrong", [{"alpha": 0.0}, {"alpha": 0.5}, {"looks": 0}, {"checks": 0}, {"rho": 0.0}])
def test_an_impossible_plan_of_looks_is_refused(wrong: dict[str, float]) -> None:
    """With what was expected."""
    with pytest.raises(ConfigError):
        Spending(**({"alpha": 0.01, "looks": 4, "checks": 3} | wrong))  # type: ignore[arg-type]


def test_the_smallest_visible_slowdown_is_found_as_often_as_said() -> None:
    """At the stated ratio the test refutes "within tolerance" in 95 of 100 samples, give or take chance."""
    traffic = drawn(5, seconds=20)
    kinds = [traffic.where(traffic.labels["route"].codes == code) for code in range(3)]
    sides = [(np.array([float(p.canary.sum())]), np.array([float((~p.canary).sum())])) for p in kinds]
    weights = [power.information(*side) for side in sides]

    def spread(ratio: float) -> float:
        found = zip(weights, kinds, strict=True)
        return sum(w * power.superiority(kind.durations(), ratio) for w, kind in found) / sum(weights)

    ratio = power.visible_ratio(spread, sum(weights), 0.01, 0.95, 0.02)
    level, stopped = quantile(0.99), 0
    for seed in range(300):
        sample = drawn(1000 + seed, seconds=20, slower=ratio)
        found = rank_sum(apart(sample.durations(), sample.canary, sample.strata(20.0)).against(1.02))
        stopped += found is not None and found.z > level
    assert stopped >= 300 * 0.91
    assert power.visible_ratio(spread, 0.0, 0.01, 0.95, 0.02) == math.inf
    assert power.visible_ratio(spread, 1.0, 1e-9, 0.95, 0.02) == math.inf


def test_the_smallest_visible_rise_of_failures_is_found_as_often_as_said() -> None:
    """Also where the old version does not fail at all."""
    rng = np.random.default_rng(7)
    for rate, new, old in ((0.002, 1000, 9000), (0.0, 2000, 2000)):
        gap = power.visible_gap(rate, new, old, 0.001, 0.95)
        bad, usual = rng.binomial(new, rate + gap, 400), rng.binomial(old, rate, 400)
        found = [p_more(_counts(new, int(b), old, int(u))) <= 0.001 for b, u in zip(bad, usual, strict=True)]
        assert np.mean(found) >= 0.92
    assert power.visible_gap(0.0, 0, 10, 0.01, 0.95) == math.inf
    assert power.visible_gap(0.0, 2, 10, 1e-9, 0.95) == math.inf
    assert power.critical_count(10, 0.999999, 1e-12) is None


def test_how_long_the_traffic_must_be_watched() -> None:
    """The first time at which the effect is visible, or never."""
    assert power.seconds_needed(lambda s: 100.0 / max(s, 1e-9), 0.5, 1000.0) == pytest.approx(200.0, abs=0.1)
    assert power.seconds_needed(lambda s: 100.0 / max(s, 1e-9), 0.5, 100.0) == math.inf


def test_a_silence_is_time_in_which_something_should_have_come() -> None:
    """In the middle, at the end, and not where little was expected."""
    at = np.concatenate((np.arange(0.0, 30.0, 0.5), np.arange(60.0, 80.0, 0.5)))
    assert silences(at, 0.0, 100.0, 2.0) == ((29.5, 60.0), (79.5, 100.0))
    assert silences(at, 0.0, 100.0, 0.1) == ()
    assert silences(np.empty(0), 5.0, 50.0, 2.0) == ((5.0, 50.0),)


def test_a_trend_is_kendalls_and_its_slope_is_sens() -> None:
    """A steady rise is certain, a level line is not, and outliers do not bend the slope."""
    at = np.arange(12.0) * 30
    steady = 5.0 + 0.2 * at
    steady[4] = 500.0
    found = trend(at, steady, 0.9)
    assert found is not None
    assert found.slope == pytest.approx(0.2, rel=0.01)
    assert found.slope_low <= 0.2 <= found.slope_high + 1e-9
    level = trend(at, np.array([1.0, 2.0] * 6), 0.9)
    assert level is not None
    assert level.p > 0.1
    assert trend(at, np.ones(12), 0.9) is None
    assert trend(at[:5], steady[:5], 0.9) is None
    middles, medians = blocks(np.array([1.0, 2.0, 31.0]), np.array([1.0, 3.0, 9.0]), 30.0)
    assert (middles.tolist(), medians.tolist()) == ([15.0, 45.0], [2.0, 9.0])


def _counts(new: int, bad: int, old: int, old_bad: int) -> Counts:
    return Counts(
        new=np.array([float(new)]),
        old=np.array([float(old)]),
        new_failures=np.array([float(bad)]),
        old_failures=np.array([float(old_bad)]),
    )
