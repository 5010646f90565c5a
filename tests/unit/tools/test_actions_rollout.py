"""Bringing a release to its users: shares, what is refused, how it is taken back."""

from __future__ import annotations

import pytest

from domain.action import DryRun
from domain.errors import ToolError
from tools.actions.rollout import PROMOTE_RELEASE, SPLIT_RELEASE, PromoteRelease, SplitRelease, _wanted

OLD = {"version": "v1", "previous": None, "weights": {"v1": 100, "v2": 0}}
SPLIT = SplitRelease(version="v2", percent=10)


def test_a_share_is_taken_from_the_version_that_serves() -> None:
    """Also when there is a split already; who keeps the rest must be clear."""
    assert _wanted(OLD, SPLIT) == {"v1": 90, "v2": 10}
    assert _wanted({**OLD, "weights": {"v1": 9, "v2": 1}}, SplitRelease(version="v2", percent=50)) == {
        "v1": 50,
        "v2": 50,
    }
    assert _wanted(OLD, PromoteRelease(version="v2")) == {"v2": 100}
    for weights in ({"v2": 100}, {"v1": 50, "v3": 50}, {}):
        with pytest.raises(ToolError):
            _wanted({**OLD, "weights": weights}, SPLIT)


def test_weights_are_compared_as_shares() -> None:
    """9 to 1 is 90 to 10: nothing to do, and the effect is confirmed."""
    before = {**OLD, "wanted": {"v1": 90, "v2": 10}}
    there = {**before, "version": "v2", "weights": {"v1": 9.0, "v2": 1.0}}
    assert SPLIT_RELEASE.preview(SPLIT, before).answer is DryRun.WOULD_CHANGE
    assert SPLIT_RELEASE.preview(SPLIT, there).answer is DryRun.NO_CHANGE
    assert SPLIT_RELEASE.confirm(SPLIT, before, there) is True
    assert SPLIT_RELEASE.confirm(SPLIT, before, before) is False
    promoted = {**there, "wanted": {"v2": 100}}
    assert (
        "v2 100 % instead of v1 90 %, v2 10 %"
        in PROMOTE_RELEASE.preview(PromoteRelease(version="v2"), promoted).summary
    )


def test_the_way_back_is_the_split_that_was() -> None:
    """Versions and shares as captured; without a known state there is none."""
    undo = SPLIT_RELEASE.undo(SPLIT, {**OLD, "weights": {"v1": 19, "v2": 1}})
    assert undo is not None
    assert (undo.action, undo.args) == ("rollback_release", {"version": "v1", "shares": {"v1": 95, "v2": 5}})
    assert PROMOTE_RELEASE.undo(PromoteRelease(version="v2"), {**OLD, "version": None}) is None
