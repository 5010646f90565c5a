"""A judge's process is killed with -9 while it writes down a look: whoever comes next judges every second of the stage."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from math import floor
from pathlib import Path

import pytest

from contracts.enforcement.enforcer import Enforcer
from contracts.enforcement.opening import LAG_S
from contracts.enforcement.rollout import RolloutStatus
from tests.fakes import judge_process
from tests.fakes.rollouts import RATE, Site

pytestmark = pytest.mark.integration
AWAY_S = 60.0


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """The folder that a killed judge left."""
    words, root = [sys.executable, judge_process.__file__, str(tmp_path)], str(Path(__file__).resolve().parents[2])
    died = subprocess.run(words, cwd=root, env={"PYTHONPATH": root}, timeout=100, check=False)
    assert died.returncode == -signal.SIGKILL
    return tmp_path


async def test_no_window_is_skipped_when_the_judge_is_killed(killed: Path) -> None:
    """The half-written state is not read; the looks that fell due meanwhile are made, on all requests and none twice."""
    site = Site(killed)
    site._give(10.0, "what the killed one gave")
    site.clock.advance(judge_process.KILLED_AT_S + AWAY_S)
    (left,) = site.files().all()
    assert (left.status, left.now.looks) == (RolloutStatus.RUNNING, 1)
    heir = Enforcer(left, site.yard(), site.files())
    found = await heir.tick()
    assert (found.now.looks, [look["look"] for look in found.judgements]) == (3, [1, 2, 3])
    seconds = Counter(floor(request.at) for request in heir._requests)
    assert found.read_to == judge_process.KILLED_AT_S + AWAY_S - LAG_S
    assert {seconds[second] for second in range(int(found.read_to))} == {int(RATE)}
