"""The campaign on the small cluster behind `firebreak eval skills`; `python -m benchmarks skills --write FILE` writes the page."""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.skills.arena import ClusterArena, words
from benchmarks.skills.lessons import Tried, lessons, lines
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
REVIEWED = (
    "A skill without preconditions fails once; the rules of `skill review` edit it from that one report; before and after are "
    "then compared on failures that the edit never saw, and on the fault that the skill is made for."
)
BESIDE = 4
"""Attempts at a time, each in a namespace of its own."""


def main() -> int:
    """Measure, print, and write the page where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks skills")
    parser.add_argument("--mode", choices=sorted(MODES), default="fast")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", type=Path, help="also write the page there")
    asked = parser.parse_args()
    text = "\n".join(page(campaign(asked.mode, asked.rounds), asked.mode, asked.rounds)) + "\n"
    sys.stdout.write(text)
    if asked.write:
        asked.write.write_text(text)
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a campaign measured."""

    rows: list[Row]
    lessons: list[Tried]


def campaign(
    mode: str, rounds: int, *, only: Sequence[str] = (), tell: Callable[[Row], None] = lambda _: None
) -> Found:
    """Every method at every task, then what reviews are worth; `only` names tasks and leaves the reviews out."""
    tasks = load_tasks(TASKS)
    wanted = [t for t in tasks if not only or t.name in only]

    async def play(arena: ClusterArena, root: Path) -> Found:
        rows = await measure(arena, wanted, METHODS, MODES[mode], rounds=rounds, beside=BESIDE, tell=tell)
        learnt = [] if only else await lessons(arena, tasks, root / "lessons", MODES[mode])
        return Found(rows=rows, lessons=learnt)

    with running_cluster() as cluster, tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        return asyncio.run(play(ClusterArena(cluster, root, written_shelf(root / "shelf", words())), root))


def page(found: Found, mode: str, rounds: int) -> list[str]:
    """Everything as Markdown, with how it was measured."""
    return [
        "# Figures of skills",
        "",
        f"Written by `python -m benchmarks skills` at {_commit()}, {datetime.now(UTC):%Y-%m-%d}, without a model. "
        f"Load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors.",
        "",
        measured(MODES[mode], mode, rounds, found.rows),
        "",
        "Where: the small Kubernetes API server of the tests, a fresh namespace per attempt; the real client over TLS, the guard "
        "with its ledger, the product's own actions, probes and runners. Its kubelet decides from images, variables, policies and "
        "roles whether a pod serves. The local stack is not part of it: its skills are [rehearsed](skills.md).",
        "",
        *figures(found.rows, list(ABLATIONS)),
        *(["", "## What a review is worth", "", REVIEWED, "", *lines(found.lessons)] if found.lessons else []),
    ]


def _commit() -> str:
    ran = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return ran.stdout.strip() or "an unknown commit"
