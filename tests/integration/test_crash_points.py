"""kill -9 at boundaries of a three-step plan: no effect twice, none lost, approvals neither lost nor reusable.

A sample of the sweep; `python -m benchmarks crash_points` tries every boundary with both victims.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.crash.points import Victim
from tests.fakes.crash.sweep import crash_run

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

SAMPLE: list[tuple[tuple[str, ...], Victim]] = [
    (("after the commit of", "[approval consumed]", "[claim claimed]"), "action-server"),
    (("before the effect on frontend",), "action-server"),
    (("after the effect on frontend",), "action-server"),
    (("before the commit of", "effect", "[claim confirmed]"), "app"),
    (("before the commit of", "closing"), "action-server"),
]
"""Words of a boundary's label (it lists all that one transaction writes), and who is killed there."""


def test_no_crash_repeats_loses_or_reuses_anything(tmp_path: Path) -> None:
    """The boundaries are those that an undisturbed run reaches; each of the sample is met once by its victim."""
    calm = crash_run(tmp_path / "calm", -1, "nobody")
    assert (calm.problems, calm.asked) == ([], 3)
    assert len(calm.boundaries) > 50
    for number, (words, victim) in enumerate(SAMPLE):
        label = next(label for label in calm.boundaries if all(word in label for word in words))
        ended = crash_run(tmp_path / str(number), label, victim)
        assert ended.problems == [], ended
        assert ended.label == label
        assert ended.restarts[victim] >= 1
