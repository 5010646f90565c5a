"""kill -9 in the middle of a skill over SSH: it goes on where it was, or says that it does not know; nothing is done twice."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from domain.action import Outcome
from governance.ledger.opening import Place, open_ledger
from skills.report import RunStatus
from tests.fakes.crash.ssh_skill import SYSTEMCTL, UNITS, carry_on, write_skill
from tests.fakes.ssh_servers import SSHD, running_ssh_site

pytestmark = [pytest.mark.integration, pytest.mark.skipif(SSHD is None, reason="no sshd is installed")]
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("ended", [True, False])
async def test_killed_in_the_middle_of_a_skill(ended: bool, tmp_path: Path) -> None:
    """The second of three steps runs when we are killed. Had it ended meanwhile, the run goes on; still running is unknown."""
    (tmp_path / "ssh").mkdir()
    with running_ssh_site(tmp_path / "ssh") as site:
        there, home = site.host.home, tmp_path / "home"
        (there / "bin").mkdir()
        (there / "bin" / "systemctl").write_text(SYSTEMCTL)
        (there / "bin" / "systemctl").chmod(0o755)
        write_skill(home / "shelf")
        target = site.write_target(commands=[{"run": ["systemctl", "start"], "undo": ["systemctl", "stop"]}])
        child = _started(target, home)
        await _until(lambda: (there / "began").exists() or child.poll() is not None)
        assert child.poll() is None, "it ended before it could be killed"
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        if ended:
            (there / "go").touch()
            await _until(lambda: (there / "up-slow").exists())
        report = await carry_on(target, home)
        (there / "go").touch()
        started = (there / "started").read_text().split()
    outcomes = [s.outcome for s in report.steps]
    if ended:
        assert (report.status, started) == (RunStatus.SUCCEEDED, list(UNITS)), report
        assert outcomes == [Outcome.SUCCEEDED] * 3
    else:
        assert (report.status, started) == (RunStatus.UNKNOWN, ["first", "slow"]), report
        assert outcomes == [Outcome.SUCCEEDED, Outcome.UNKNOWN, None]
    ledger = open_ledger(Place(home=home))
    assert ledger.verify().verified
    told = [e for e in ledger.entries(limit=1000) if e.content.get("step") == "s2"]
    assert [e.kind for e in told][:2] == ["attempt", "intent"], "it was written down before it was done"
    assert [e.kind for e in told].count("intent") == 1, "and never begun again"
    back = next(e for e in told if e.kind == "read_back")
    assert back.content["outcome"] == (Outcome.SUCCEEDED if ended else Outcome.UNKNOWN)
    assert "between dispatch and outcome" in back.content["why"]


def _started(target: Path, home: Path) -> subprocess.Popen[bytes]:
    """A process of ours that runs the skill."""
    words = [sys.executable, "-m", "tests.fakes.crash.ssh_skill", str(target), str(home)]
    return subprocess.Popen(words, cwd=ROOT, start_new_session=True)


async def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        await asyncio.sleep(0.05)
