"""What `make test` runs: all tests with branch coverage, printed, with the floors each room must keep."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

FLOORS = {"governance": 100.0, "graph/routing.py": 100.0}
"""Rooms that must be covered completely, in percent of lines and branches."""
REST = 85.0
WORKERS = "4"
"""Most integration tests wait for real processes, so a few more workers than cores finish sooner."""
ROOT = Path(__file__).resolve().parents[1]


def run_tests(extra: list[str]) -> int:
    """Everything that may run side by side first, then what needs the machine for itself; coverage of both together.

    With extra arguments it is one plain pytest run and no floor applies.
    """
    pytest = [sys.executable, "-m", "pytest"]
    if extra:
        return subprocess.call([*pytest, *extra], cwd=ROOT)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        measured = ["--cov", "--cov-branch"]
        side_by_side = [
            *pytest,
            "-q",
            "-m",
            "not e2e",
            "-n",
            WORKERS,
            "--dist",
            "loadscope",
            *measured,
            "--cov-report=",
        ]
        alone = [
            *pytest,
            "-q",
            "-m",
            "e2e",
            *measured,
            "--cov-append",
            "--cov-report=term",
            f"--cov-report=json:{report}",
        ]
        codes = [subprocess.call(argv, cwd=ROOT) for argv in (side_by_side, alone)]
        missed = missed_floors(json.loads(report.read_text())) if report.exists() else ["no report was written"]
    for line in missed:
        sys.stdout.write(f"coverage: {line}\n")
    return 1 if any(codes) or missed else 0


def missed_floors(report: dict[str, dict[str, dict[str, dict[str, int]]]]) -> list[str]:
    """One line per floor that coverage.py's JSON report misses."""
    files = report["files"]
    rooms = {room: [f for f in files if f == room or f.startswith(room + "/")] for room in FLOORS}
    strict = {f for members in rooms.values() for f in members}
    wanted = [(room, members, FLOORS[room]) for room, members in rooms.items()]
    wanted.append(("everything else", [f for f in files if f not in strict], REST))
    lines = []
    for room, members, floor in wanted:
        share = _share([files[f]["summary"] for f in members])
        if share < floor:
            lines.append(f"{room}: expected at least {floor:.0f} %, found {share:.1f} %")
    return lines


def _share(summaries: list[dict[str, int]]) -> float:
    covered = sum(s["covered_lines"] + s.get("covered_branches", 0) for s in summaries)
    total = sum(s["num_statements"] + s.get("num_branches", 0) for s in summaries)
    return 100.0 * covered / total if total else 100.0


if __name__ == "__main__":
    if sys.argv[1:2] != ["test"]:
        raise SystemExit("expected: python -m cli.checks test [pytest arguments]")
    raise SystemExit(run_tests(sys.argv[2:]))
