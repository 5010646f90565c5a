"""Every fault, blind, several times in a row, each from a fresh home: what the responder made of it.

`python -m benchmarks.drills [--repeat 3] [--fault hang …] [--json FILE]`. Drives the public command
`firebreak drill run --fault X --json`, which starts and removes a temporary home when none is alive.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from chaos.catalogue import catalogue
from domain.drills import DrillResult

FIREBREAK = Path(sys.executable).with_name("firebreak")
LONGEST_S = 420.0
HEAD = ("fault", "run", "detected s", "service", "class", "mitigated s", "durable", "harmful", "ledger", "total s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One drill: its result, or why there is none."""

    fault: str
    number: int
    result: DrillResult | None
    seconds: float
    problem: str = ""

    @property
    def passed(self) -> bool:
        """Everything that a drill asks for."""
        found = self.result
        if found is None or found.harmful_actions or not found.ledger.verified or not found.detected:
            return False
        return (
            bool(found.abstained)
            if found.abstained is not None
            else found.diagnosed and found.mitigated and found.durable
        )


def drill(fault: str, number: int) -> Run:
    """One drill in a home of its own that did not exist before."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="firebreak-drill-") as folder:
        env = {**os.environ, "FIREBREAK_HOME": str(Path(folder) / "home")}
        command = [str(FIREBREAK), "drill", "run", "--fault", fault, "--json"]
        try:
            done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=LONGEST_S, check=False)
        except subprocess.TimeoutExpired:
            return Run(fault=fault, number=number, result=None, seconds=LONGEST_S, problem="took too long")
    seconds = time.monotonic() - started
    try:
        result = DrillResult.model_validate_json(done.stdout)
    except ValidationError:
        words = (done.stdout.strip() or done.stderr.strip()).splitlines()
        problem = f"exit {done.returncode}: {words[-1][:160] if words else 'said nothing'}"
        return Run(fault=fault, number=number, result=None, seconds=seconds, problem=problem)
    return Run(fault=fault, number=number, result=result, seconds=seconds)


def row(run: Run) -> tuple[str, ...]:
    """A line of the table."""
    found = run.result
    if found is None:
        return (run.fault, str(run.number), *["-"] * 7, f"{run.seconds:.0f}  {run.problem}")
    abstain = found.abstained is not None
    belief, expected = found.diagnosis, found.expected
    service = belief is not None and belief.service == expected.get("service")
    kind = belief is not None and belief.fault_class == expected.get("fault_class")
    return (
        run.fault,
        str(run.number),
        _seconds(found.detection_s),
        "abstained" if abstain and found.abstained else _yes(service and not abstain),
        belief.verdict.value if abstain and belief else _yes(kind),
        "n/a" if abstain else _seconds(found.mitigation_s),
        "n/a" if abstain else _yes(found.durable),
        str(len(found.harmful_actions)),
        f"{found.ledger.entries} {'ok' if found.ledger.verified else 'BROKEN'}",
        f"{run.seconds:.0f}",
    )


def summary(runs: Sequence[Run]) -> list[str]:
    """What all runs say together."""
    passed = sum(run.passed for run in runs)
    times = [r.result.mitigation_s for r in runs if r.result and r.result.mitigation_s is not None]
    detected = [r.result.detection_s for r in runs if r.result and r.result.detection_s is not None]
    lines = [f"passed {passed} of {len(runs)}"]
    if detected:
        lines.append(f"detection: median {statistics.median(detected):.1f} s, worst {max(detected):.1f} s")
    if times:
        lines.append(f"mitigation: median {statistics.median(times):.1f} s, worst {max(times):.1f} s")
    for run in runs:
        if run.result and run.result.harmful_actions:
            lines.append(f"harmful in {run.fault} #{run.number}: {'; '.join(run.result.harmful_actions)}")
        if run.result and run.result.narrative:
            lines.append(f"brief of {run.fault} #{run.number}: {'; '.join(run.result.narrative)}")
    return lines


def main() -> int:
    """Run, print each line as it comes; 0 when every drill passed."""
    known = sorted(catalogue())
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drills", description=__doc__)
    parser.add_argument("--repeat", type=int, default=3, help="drills per fault (3)")
    parser.add_argument("--fault", action="append", choices=known, help="only this one; may be repeated")
    parser.add_argument("--json", type=Path, help="also write all results there")
    wish = parser.parse_args()
    runs: list[Run] = []
    _say(HEAD)
    for fault in wish.fault or known:
        for number in range(1, max(1, wish.repeat) + 1):
            runs.append(drill(fault, number))
            _say(row(runs[-1]))
    sys.stdout.write("\n" + "\n".join(summary(runs)) + "\n")
    if wish.json:
        results = [run.result.model_dump(mode="json") for run in runs if run.result]
        wish.json.write_text(json.dumps(results, indent=1))
    return 0 if all(run.passed for run in runs) else 3


def _say(cells: Sequence[str]) -> None:
    widths = (20, 4, 11, 10, 12, 12, 8, 8, 10, 8)
    sys.stdout.write(" ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() + "\n")
    sys.stdout.flush()


def _yes(value: bool) -> str:
    return "yes" if value else "NO"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


if __name__ == "__main__":
    raise SystemExit(main())
