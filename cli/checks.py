"""What `make test` runs: all tests with branch coverage, printed, with the floors each room must keep."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from cli.supervisor.spec import NO_BYTECODE

FLOORS = {"governance": 100.0, "graph/routing.py": 100.0}
"""Rooms that must be covered completely, in percent of lines and branches."""
REST = 85.0
SIDE_BY_SIDE = ("--dist", "loadscope", "--no-loadscope-reorder")
"""Modules stay whole, and the long ones start where they stand instead of at the end."""
PARTS = (
    ("not integration", "3", ("tests/unit", "tests/graph", "tests/evals", "tests/conformance")),
    ("integration and not campaign", "4", ("tests/integration", "tests/conformance", "tests/e2e")),
    ("e2e and not integration", "2", ("tests/e2e",)),
)
"""Marks, workers, folders. Real servers have their own patience: they never share the machine with what only computes. Much
of it is waiting, so there are more workers than the two cores of a small machine; a whole installation takes about half a
core. Each part reads only its folders: tests/conftest.py refuses a test where no part would find it."""
COVERAGE = ("--cov", "--cov-branch", "--cov-append", "--cov-report=")
ROOT = Path(__file__).resolve().parents[1]


def run_tests(extra: list[str]) -> int:
    """What only computes, then what starts real servers, then the whole product; coverage of all together.

    With extra arguments it is one plain pytest run and no floor applies.
    """
    pytest = [sys.executable, "-m", "pytest"]
    if extra:
        return subprocess.call([*pytest, *extra], cwd=ROOT)
    (ROOT / ".coverage").unlink(missing_ok=True)
    environment = {key: value for key, value in os.environ.items() if key != NO_BYTECODE}
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        codes = [
            subprocess.call(
                [*pytest, "-q", *folders, "-m", marks, "-n", workers, *SIDE_BY_SIDE, *COVERAGE],
                cwd=ROOT,
                env=environment,
            )
            for marks, workers, folders in PARTS
        ]
        coverage = [sys.executable, "-m", "coverage"]
        subprocess.call([*coverage, "json", "-q", "-o", str(report)], cwd=ROOT)
        subprocess.call([*coverage, "report"], cwd=ROOT)
        (ROOT / ".coverage").unlink(missing_ok=True)
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
