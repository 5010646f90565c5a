"""Records traffic of the local stack while two processes serve it side by side, the second one a no-change release.

`python -m benchmarks.releases.record [--seconds 1200] [--rps 40] [--to FILE]`. A stack of its own comes up, its traffic is
split evenly between both versions, and every answered request is kept as it was: when, how long, which route, which group
of customers, whether it failed, which process; beside it both processes' memory every five seconds. Nothing is edited.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np

SHIPPED = Path(__file__).parent / "traffic.npz"
LOOK_S = 1.0
MEMORY_EVERY = 5
MEMORY = "process_resident_memory_bytes"


def main() -> int:
    """Record; 1 when the stack did not come up."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.releases.record", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1200.0)
    parser.add_argument("--rps", type=float, default=40.0)
    parser.add_argument("--to", type=Path, default=SHIPPED)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="firebreak-traffic-") as home:
        command = [sys.executable, "-m", "stack", "up", "--home", home, "--rps", str(asked.rps)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as stack:
            try:
                said = json.loads(stack.stdout.readline() if stack.stdout else "{}")
                if not said.get("ready"):
                    sys.stderr.write(f"the stack did not come up: {said}\n")
                    return 1
                requests, memory = _watch(Path(home), asked.seconds)
            finally:
                stack.terminate()
    _write(asked.to, requests, memory)
    return 0


def _watch(home: Path, seconds: float) -> tuple[list[dict[str, Any]], list[tuple[float, float, float]]]:
    facts = json.loads((home / "stack.json").read_text())
    headers = {"authorization": f"Bearer {facts['control_token']}"}
    wish = {"version": "v2", "weights": {"v1": 50, "v2": 50}, "author": "recorder"}
    httpx.post(f"{facts['control_url']}/release", json=wish, headers=headers, timeout=30).raise_for_status()
    urls = _urls(home)
    spans, begun, round_ = Tail(home / "spans" / "api.jsonl"), time.time(), 0
    requests: list[dict[str, Any]] = []
    memory: list[tuple[float, float, float]] = []
    while time.time() - begun < seconds:
        time.sleep(LOOK_S)
        requests += [row for row in spans.read() if "http.route" in row["attributes"] and row["start"] > begun]
        if round_ % MEMORY_EVERY == 0:
            memory.append((time.time() - begun, _memory(urls[0]), _memory(urls[1])))
        round_ += 1
    for row in requests:
        row["start"] -= begun
    return requests, memory


def _urls(home: Path) -> tuple[str, str]:
    rows = {p["name"]: p["url"] for p in json.loads((home / "stack.json").read_text())["processes"]}
    return rows["api"], rows["api-v2"]


def _memory(url: str) -> float:
    text = httpx.get(f"{url}/metrics", timeout=10).text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(MEMORY + " "))


class Tail:
    """New lines of a file that is moved away when it has grown."""

    def __init__(self, path: Path) -> None:
        self.path, self.inode, self.offset = path, 0, 0

    def read(self) -> list[dict[str, Any]]:
        """Whole lines since the last call, across one rotation."""
        rows: list[dict[str, Any]] = []
        former = self.path.with_name(self.path.name + ".1")
        if self.inode and self.path.exists() and self.path.stat().st_ino != self.inode and former.exists():
            rows += self._from(former)
            self.offset = 0
        if self.path.exists():
            self.inode = self.path.stat().st_ino
            rows += self._from(self.path)
        return rows

    def _from(self, path: Path) -> list[dict[str, Any]]:
        with path.open("rb") as stream:
            stream.seek(self.offset)
            whole = stream.read()
        kept = whole[: whole.rfind(b"\n") + 1]
        self.offset += len(kept)
        return [json.loads(line) for line in kept.splitlines()]


def _write(path: Path, requests: list[dict[str, Any]], memory: list[tuple[float, float, float]]) -> None:
    rows = sorted(requests, key=lambda row: row["start"])
    marks = [row["attributes"] for row in rows]
    routes = [row["operation"] for row in rows]
    groups = [mark["customer.group"] for mark in marks]
    names, groupnames = sorted(set(routes)), sorted(set(groups))
    np.savez_compressed(
        path,
        at=np.array([row["start"] for row in rows], dtype=np.float32),
        ms=np.array([row["duration_ms"] for row in rows], dtype=np.float32),
        failed=np.array([int(mark["http.response.status_code"]) >= 500 for mark in marks]),
        second=np.array([mark["service.version"] == "v2" for mark in marks]),
        route=np.array([names.index(name) for name in routes], dtype=np.uint8),
        group=np.array([groupnames.index(name) for name in groups], dtype=np.uint8),
        routes=np.array(names),
        groups=np.array(groupnames),
        memory=np.array(memory, dtype=np.float64),
    )
    sys.stdout.write(f"{path}: {len(rows)} requests, {path.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    raise SystemExit(main())
