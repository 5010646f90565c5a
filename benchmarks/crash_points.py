"""kill -9 of the app or the action server at every ledger and claim boundary of a three-step plan.

The boundaries are enumerated by an undisturbed run over an instrumented ledger and executor, and every one of them is
tried with both victims: real processes, real HTTP, a real SQLite file. Without anything that kills, the same run is the
alternative it is compared with.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path

from tests.fakes.crash.points import Victim
from tests.fakes.crash.sweep import Ended, crash_run

VICTIMS: tuple[Victim, ...] = ("action-server", "app")
EVERY = "FIREBREAK_CRASH_EVERY"
"""Environment: try only every n-th boundary."""


def main() -> int:
    """Print each point that failed, and points tried and passed; 1 when any failed."""
    with tempfile.TemporaryDirectory(prefix="crash-") as folder:
        home = Path(folder)
        calm = crash_run(home / "calm", -1, "nobody")
        _say(
            f"undisturbed: {len(calm.boundaries)} boundaries, {calm.seconds:.1f} s, problems: {calm.problems or 'none'}"
        )
        step = int(os.environ.get(EVERY, "1"))
        ended = [
            _tried(home / f"{number}-{victim}", number, victim)
            for number in range(0, len(calm.boundaries), step)
            for victim in VICTIMS
        ]
    for victim in VICTIMS:
        _summary(victim, [e for v, e in ended if v == victim], calm.seconds)
    return 1 if calm.problems or any(e.problems for _, e in ended) else 0


def _tried(home: Path, number: int, victim: Victim) -> tuple[Victim, Ended]:
    ended = crash_run(home, number, victim)
    if ended.problems:
        _say(f"FAILED  {number:>3}  {victim:<14} {ended.label}: {'; '.join(ended.problems)}")
    return victim, ended


def _summary(victim: Victim, ended: list[Ended], calm_s: float) -> None:
    passed = [e for e in ended if not e.problems]
    killed = [e for e in ended if e.restarts[victim]]
    median = statistics.median(e.seconds for e in ended)
    _say(
        f"{victim:<14} points tried {len(ended)}, killed in {len(killed)}, passed {len(passed)}; "
        f"median {median:.1f} s, {median / calm_s:.2f} times the undisturbed run"
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
