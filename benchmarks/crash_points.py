"""kill -9 of the app or the action server at every ledger and claim boundary of a three-step plan.

The boundaries are enumerated by an undisturbed run over an instrumented ledger and executor, and every one of them is
tried with both victims: real processes, real HTTP, a real SQLite file. Without anything that kills, the same run is the
alternative it is compared with.

`python -m benchmarks crash_points --every=10` tries a tenth of them, `--first=40` begins there (after an interruption),
`--workers=1` spares the machine.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tests.fakes.crash.points import Victim
from tests.fakes.crash.sweep import Ended, crash_run

VICTIMS: tuple[Victim, ...] = ("action-server", "app")
PROGRESS = 10
"""Crashes between two lines that say how far it is."""
Tried = tuple[int, Victim, Ended]


def main() -> int:
    """Print each point that failed, and points tried and passed; 1 when any failed."""
    asked = _asked()
    with tempfile.TemporaryDirectory(prefix="crash-") as folder:
        home = Path(folder)
        calm = crash_run(home / "calm", -1, "nobody")
        _say(
            f"undisturbed: {len(calm.boundaries)} boundaries, {calm.seconds:.1f} s, problems: {calm.problems or 'none'}"
        )
        points = range(asked.first, len(calm.boundaries), asked.every)
        ended = list(_tried(home, points, asked.workers))
    for victim in VICTIMS:
        _summary(victim, [e for _, v, e in ended if v == victim], calm.seconds)
    failed = [e for _, _, e in ended if e.problems]
    _say(f"points tried {len(ended)}, passed {len(ended) - len(failed)}, failed {len(failed)}")
    return 1 if calm.problems or failed or not ended else 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks crash_points")
    parser.add_argument("--every", type=int, default=1, help="try only every n-th boundary")
    parser.add_argument("--first", type=int, default=0, help="number of the boundary to begin with")
    parser.add_argument("--workers", type=int, default=2, help="crashes at the same time")
    return parser.parse_args()


def _tried(home: Path, points: range, workers: int) -> Iterator[Tried]:
    """Every point with both victims, as they end. The processes are what works; a thread each watches over them."""
    with ThreadPoolExecutor(workers) as pool:
        jobs = [pool.submit(_try, home, number, victim) for number in points for victim in VICTIMS]
        for count, job in enumerate(as_completed(jobs), 1):
            yield job.result()
            if count % PROGRESS == 0 or count == len(jobs):
                _say(f"  {count} of {len(jobs)} tried, up to boundary {job.result()[0]}")


def _try(home: Path, number: int, victim: Victim) -> Tried:
    ended = crash_run(home / f"{number}-{victim}", number, victim)
    if ended.problems:
        _say(f"FAILED  {number:>3}  {victim:<14} {ended.label}: {'; '.join(ended.problems)}")
    return number, victim, ended


def _summary(victim: Victim, ended: list[Ended], calm_s: float) -> None:
    passed = [e for e in ended if not e.problems]
    killed = [e for e in ended if e.restarts[victim]]
    median = statistics.median(e.seconds for e in ended) if ended else 0.0
    _say(
        f"{victim:<14} points tried {len(ended)}, killed in {len(killed)}, passed {len(passed)}; "
        f"median {median:.1f} s, {median / calm_s:.2f} times the undisturbed run"
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
