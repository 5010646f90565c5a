"""Laws of the reducers: merging the same update twice changes nothing, order is kept, identities are respected."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.action import Judgement, Outcome, Verdict
from domain.clock import ManualClock
from domain.incident import TimelineEntry
from domain.lifecycle import Phase
from domain.plan import Plan, StepResult
from domain.report import Verification
from graph import state
from tests.fakes.world import alert

NOW = ManualClock().now()
NUMBERS = st.lists(st.integers(0, 4), max_size=6)
MAKERS: list[tuple[Any, Any]] = [
    (state.merge_alerts, lambda n: alert(episode_id=str(n))),
    (
        state.append_results,
        lambda n: StepResult(step_id=str(n), action="a", target="t", outcome=Outcome.SUCCEEDED, summary="", at=NOW),
    ),
    (state.append_plans, lambda n: Plan(id=str(n), incident="i", revision=n, hypothesis="", created_at=NOW)),
    (state.append_judgements, lambda n: Judgement(step_id=str(n), verdict=Verdict.ALLOW, judged_at=NOW)),
    (
        state.append_verifications,
        lambda n: Verification(
            step_id=str(n), symptoms_relieved=True, cause_repaired=None, at=NOW + timedelta(seconds=n)
        ),
    ),
    (state.append_timeline, lambda n: TimelineEntry(at=NOW, event=f"e.{n}", text="")),
    (state.union, str),
    (state.append_rows, lambda n: {"n": n}),
]


@given(st.sampled_from(MAKERS), NUMBERS, NUMBERS)
def test_reducers_are_idempotent_and_lose_nothing(pair: Any, old: list[int], new: list[int]) -> None:
    """Applying an update twice, as after a crash, is applying it once; everything given is there."""
    reduce, make = pair
    before = reduce([], [make(n) for n in old])
    once = reduce(before, [make(n) for n in new])
    assert reduce(once, [make(n) for n in new]) == once
    assert all(make(n) in once for n in {*old, *new})


@given(st.lists(st.sampled_from(list(Phase)), max_size=8))
def test_phases_never_stand_still(walk: list[Phase]) -> None:
    """Staying in a phase is not recorded again."""
    walked = state.append_phases([], walk)
    assert all(a is not b for a, b in pairwise(walked))


def test_the_newest_word_about_an_episode_counts_in_its_place() -> None:
    """Order of first appearance, content of the last; JSON is read."""
    one, two = alert(episode_id="1"), alert(episode_id="2")
    again = alert(episode_id="1", title="worse")
    merged = state.merge_alerts([one, two], [again.model_dump(mode="json")])  # type: ignore[list-item]
    assert merged == [again, two]
