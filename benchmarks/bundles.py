"""Large bundles: a million log lines, and 2,000 series of 1,000 points; read, diagnosed, built; beside the plain parser's time.

Each row runs in a process of its own, so that its peak memory is its own. "parser alone" is the standard library's parser over the
same bytes (`json.loads` per line, `csv.reader` with `float`), keeping nothing: what reading costs at least.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

T0 = 1_772_359_200
LOGS, SERIES, POINTS = 1_000_000, 2000, 1000
LIMITS = {
    "read logs": (30.0, 1024.0),
    "investigate logs": (30.0, 1024.0),
    "build from a log": (30.0, 1024.0),
    "read metrics": (5.0, 1024.0),
    "investigate metrics": (5.0, 1024.0),
}
"""Task → seconds of CPU and MiB at most."""


def main() -> int:
    """Write the bundles, measure each task in a child, print the table; 1 when a limit is broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bundles")
    parser.add_argument("--task", default="")
    parser.add_argument("--place", type=Path, default=Path())
    given = parser.parse_args()
    if given.task:
        return _child(given.task, given.place)
    with tempfile.TemporaryDirectory(prefix="firebreak-bench-") as folder:
        place = Path(folder)
        _write_logs(place / "logs", LOGS)
        _write_metrics(place / "metrics", SERIES, POINTS)
        rows = {task: _measure(task, place) for task in TASKS}
    return _print(rows)


def _write_logs(folder: Path, count: int) -> None:
    """Twenty minutes of four services; one of them complains in the last quarter."""
    folder.mkdir()
    choice = random.Random(1)
    alert = {"service": "api", "started_at": T0 + 900}
    (folder / "incident.json").write_text(json.dumps({"id": "logs", "alert": alert}))
    with (folder / "logs.jsonl").open("w") as out, (folder / "plain.log").open("w") as plain:
        for i in range(count):
            service = choice.choice(("api", "db", "web", "worker"))
            bad = i > 0.75 * count and choice.random() < 0.05
            said = f"request {choice.getrandbits(64):x} handled in {choice.randint(1, 400)} ms for user {i}"
            said = f"connection to db refused after {choice.randint(1, 999)} ms" if bad else said
            level, at = "ERROR" if bad else "INFO", T0 + i * 1200 / count
            out.write(json.dumps({"time": at, "service": service, "level": level, "message": said}) + "\n")
            plain.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(at))} {level} {said}\n")


def _write_metrics(folder: Path, series: int, points: int) -> None:
    """Flat noise; one service's latency rises in the last quarter."""
    folder.mkdir()
    choice = random.Random(2)
    windows = {"normal": [T0, T0 + 749], "abnormal": [T0 + 750, T0 + points]}
    (folder / "incident.json").write_text(json.dumps({"id": "metrics", "windows": windows}))
    with (folder / "metrics.csv").open("w") as out:
        out.write("time,service,metric,value\n")
        for n in range(series):
            for i in range(points):
                value = choice.random() + (9 if n == 0 and i >= 750 else 0)
                out.write(f"{T0 + i},s{n // 10},latency_{n % 10}_seconds,{value:.4f}\n")


def _read(folder: Path) -> None:
    from tools.bundle import read_bundle

    read_bundle(folder)


def _investigate(folder: Path) -> None:
    from agents.perception import diagnose
    from tools.bundle import read_bundle

    diagnose(read_bundle(folder))


def _build(folder: Path) -> None:
    from typer.testing import CliRunner

    from cli.main import app

    words = ["bundle", "build", str(folder / "built.tar.gz"), "--log", f"api={folder / 'plain.log'}"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output


def _json_alone(folder: Path) -> None:
    with (folder / "logs.jsonl").open("rb") as lines:
        for line in lines:
            json.loads(line)


def _csv_alone(folder: Path) -> None:
    with (folder / "metrics.csv").open() as lines:
        rows = csv.reader(lines)
        next(rows)
        for moment, _, _, value in rows:
            float(moment), float(value)


TASKS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "json alone": ("logs", _json_alone),
    "read logs": ("logs", _read),
    "investigate logs": ("logs", _investigate),
    "build from a log": ("logs", _build),
    "csv alone": ("metrics", _csv_alone),
    "read metrics": ("metrics", _read),
    "investigate metrics": ("metrics", _investigate),
}


def _child(task: str, place: Path) -> int:
    folder, run = TASKS[task]
    run(place / folder)
    used = resource.getrusage(resource.RUSAGE_SELF)
    sys.stdout.write(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
    return 0


def _measure(task: str, place: Path) -> tuple[float, float, float]:
    """(CPU seconds with process start, MiB at most, wall seconds)."""
    started = time.monotonic()
    command = [sys.executable, "-m", "benchmarks.bundles", "--task", task, "--place", str(place)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    cpu, mib = json.loads(done.stdout)
    return cpu, mib, time.monotonic() - started


def _print(rows: dict[str, tuple[float, float, float]]) -> int:
    out, broken = sys.stdout.write, False
    out(f"{LOGS:,} log lines; {SERIES:,} series of {POINTS:,} points; CPU seconds with process start\n")
    out(f"{'task':<20} {'CPU s':>7} {'wall s':>7} {'MiB':>6}  {'x parser alone':>14}  goal\n")
    for task, (cpu, mib, wall) in rows.items():
        alone = rows["json alone" if TASKS[task][0] == "logs" else "csv alone"][0]
        goal = LIMITS.get(task)
        broken |= goal is not None and (cpu > goal[0] or mib > goal[1])
        said = f"{goal[0]:.0f} s, {goal[1]:.0f} MiB" if goal else ""
        out(f"{task:<20} {cpu:>7.1f} {wall:>7.1f} {mib:>6.0f}  {cpu / alone:>14.1f}  {said}\n")
    return int(broken)


if __name__ == "__main__":
    raise SystemExit(main())
