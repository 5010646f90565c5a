"""kill -9 at boundaries of a three-step plan: no effect twice, none lost, approvals neither lost nor reusable.

A sample of the sweep; `python -m benchmarks crash_points` tries every boundary with both victims.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.crash.points import Victim
from tests.fakes.crash.sweep import crash_run

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

SAMPLE: list[tuple[str, Victim]] = [
    ("after the commit of [approval consumed] + approval consumed + attempt + [claim claimed]", "action-server"),
    ("before the effect on frontend", "action-server"),
    ("after the effect on frontend", "action-server"),
    ("before the commit of effect + read_back + [claim confirmed]", "app"),
]


def test_no_crash_repeats_loses_or_reuses_anything(tmp_path: Path) -> None:
    """The boundaries are those that an undisturbed run reaches; each of the sample is met once by its victim."""
    calm = crash_run(tmp_path / "calm", -1, "nobody")
    assert (calm.problems, calm.asked) == ([], 3)
    assert len(calm.boundaries) > 50
    for number, (label, victim) in enumerate(SAMPLE):
        ended = crash_run(tmp_path / str(number), calm.boundaries.index(label), victim)
        assert ended.problems == [], ended
        assert ended.label == label
        assert ended.restarts[victim] >= 1
