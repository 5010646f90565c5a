"""What everything together costs at rest: memory (sum of PSS) and CPU with the load generator off, measured from /proc."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

SETTLE_S = 15
MEASURE_S = 30
LIMIT_MIB = 1536
LIMIT_CPU = 10.0
FIREBREAK = Path(sys.executable).with_name("firebreak")


def main() -> int:
    """Start a fresh home without load, wait, measure, print, stop."""
    with tempfile.TemporaryDirectory(prefix="firebreak-bench-") as folder:
        env = {**os.environ, "FIREBREAK_HOME": folder, "FIREBREAK_LOAD_RPS": "0"}
        subprocess.run([FIREBREAK, "up", "--detach"], env=env, check=True, stdout=subprocess.DEVNULL)
        try:
            time.sleep(SETTLE_S)
            rows = _measure(env)
        finally:
            subprocess.run([FIREBREAK, "down"], env=env, check=True, stdout=subprocess.DEVNULL)
    return _print(rows)


def _measure(env: dict[str, str]) -> list[tuple[str, float, float]]:
    status = subprocess.run([FIREBREAK, "status", "--json"], env=env, check=True, capture_output=True, text=True)
    names = {p["pid"]: p["name"] for p in json.loads(status.stdout)["processes"] if p["pid"]}
    before = {pid: _cpu_seconds(pid) for pid in names}
    started = time.monotonic()
    time.sleep(MEASURE_S)
    elapsed = time.monotonic() - started
    return [(name, _pss_mib(pid), 100 * (_cpu_seconds(pid) - before[pid]) / elapsed) for pid, name in names.items()]


def _family(pid: int) -> list[psutil.Process]:
    """The process; for a database also the processes it forked."""
    try:
        process = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return []
    forked = process.children(recursive=True) if "postgres" in process.name() else []
    return [process, *forked]


def _pss_mib(pid: int) -> float:
    total = 0
    for process in _family(pid):
        try:
            rows = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(row.split()[1]) for row in rows if row.startswith("Pss:"))
    return total / 1024


def _cpu_seconds(pid: int) -> float:
    total = 0.0
    for process in _family(pid):
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
    return total


def _print(rows: list[tuple[str, float, float]]) -> int:
    out = sys.stdout.write
    out(
        f"fresh home, load generator off, {SETTLE_S} s settled, {MEASURE_S} s measured; PSS from smaps_rollup, CPU of one core\n"
    )
    out(f"{'process':<18} {'PSS MiB':>8} {'CPU %':>7}\n")
    for name, mib, cpu in sorted(rows, key=lambda r: -r[1]):
        out(f"{name:<18} {mib:>8.1f} {cpu:>7.2f}\n")
    mib, cpu = sum(r[1] for r in rows), sum(r[2] for r in rows)
    out(f"{'all':<18} {mib:>8.1f} {cpu:>7.2f}   (goal: below {LIMIT_MIB} MiB and {LIMIT_CPU:.0f} %)\n")
    return 0 if mib < LIMIT_MIB and cpu < LIMIT_CPU else 1


if __name__ == "__main__":
    raise SystemExit(main())
