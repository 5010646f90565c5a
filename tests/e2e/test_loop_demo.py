"""The first thing a newcomer does."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.installation import FIREBREAK

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def _demo(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    clean = {
        k: v for k, v in os.environ.items() if not k.startswith(("FIREBREAK_", "OPENAI_", "REDIS_", "PROMETHEUS_"))
    }
    return subprocess.run(
        [FIREBREAK, "demo", "--once", *words],
        env={**clean, "TMPDIR": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def test_the_demo_shows_everything_in_order_and_leaves_nothing(tmp_path: Path) -> None:
    """Serving, broken, alert, causes, plan, recovery, brief, what next; and the temporary home is gone."""
    done = _demo(tmp_path, "--fault", "pool_exhaustion")
    assert done.returncode == 0, done.stdout + done.stderr
    screen = done.stdout
    marks = ["serving users", "It breaks", "Incident inc-", "Evidence and causes", "Plan 1", "Brief", "What next"]
    places = [screen.index(mark) for mark in marks]
    assert places == sorted(places)
    assert list(tmp_path.iterdir()) == []
