"""The campaign on the small cluster behind `firebreak eval skills`; `python -m benchmarks skills --write FILE` writes the page."""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.skills.arena import ClusterArena, words
from benchmarks.skills.shelf import written_shelf
from graph.skills.measure import measure
from graph.skills.methods import ABLATIONS, ours
from skills.evaluation.baselines import direct_command, look_and_act, nearest_procedure
from skills.evaluation.score import Row
from skills.evaluation.tables import figures, measured
from skills.evaluation.task import MODES, load_tasks
from tests.fakes.cluster.server import running_cluster

TASKS = Path(__file__).with_name("tasks.yaml")
BASELINES = {
    "direct command": direct_command,
    "nearest procedure": nearest_procedure,
    "look and act": look_and_act,
}
METHODS = {"firebreak": ours(), **BASELINES, **ABLATIONS}
BESIDE = 4
"""Attempts at a time, each in a namespace of its own."""


def main() -> int:
    """Measure, print, and write the page where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks skills")
    parser.add_argument("--mode", choices=sorted(MODES), default="fast")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", type=Path, help="also write the page there")
    asked = parser.parse_args()
    rows = campaign(asked.mode, asked.rounds)
    text = "\n".join(page(rows, asked.mode, asked.rounds)) + "\n"
    sys.stdout.write(text)
    if asked.write:
        asked.write.write_text(text)
    return 0


def campaign(
    mode: str, rounds: int, *, only: Sequence[str] = (), tell: Callable[[Row], None] = lambda _: None
) -> list[Row]:
    """All rows; `only` names tasks, all when empty."""
    tasks = [t for t in load_tasks(TASKS) if not only or t.name in only]

    async def play(arena: ClusterArena) -> list[Row]:
        return await measure(arena, tasks, METHODS, MODES[mode], rounds=rounds, beside=BESIDE, tell=tell)

    with running_cluster() as cluster, tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        return asyncio.run(play(ClusterArena(cluster, root, written_shelf(root / "shelf", words()))))


def page(rows: Sequence[Row], mode: str, rounds: int) -> list[str]:
    """Everything as Markdown, with how it was measured."""
    return [
        "# Figures of skills",
        "",
        f"Written by `python -m benchmarks skills` at {_commit()}, {datetime.now(UTC):%Y-%m-%d}, without a model. "
        f"Load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors.",
        "",
        measured(MODES[mode], mode, rounds, rows),
        "",
        "Where: the small Kubernetes API server of the tests, a fresh namespace per attempt; the real client over TLS, the guard "
        "with its ledger, the product's own actions, probes and runners. Its kubelet decides from images, variables, policies and "
        "roles whether a pod serves. The local stack is not part of it: its skills are [rehearsed](skills.md).",
        "",
        *figures(rows, list(ABLATIONS)),
    ]


def _commit() -> str:
    ran = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return ran.stdout.strip() or "an unknown commit"
