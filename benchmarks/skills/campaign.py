"""The campaigns behind `firebreak eval skills`: on the small cluster of the tests and on the local stack."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from benchmarks.skills.arena import ClusterArena, words
from benchmarks.skills.lessons import Tried, lessons
from benchmarks.skills.lessons import lines as table
from benchmarks.skills.local import StackArena
from benchmarks.skills.shelf import written_shelf
from graph.skills.measure import measure
from graph.skills.methods import ABLATIONS, ours
from skills.evaluation.attempt import Method
from skills.evaluation.baselines import direct_command, look_and_act, nearest_procedure
from skills.evaluation.habits import CLUSTER, HOST
from skills.evaluation.score import Row
from skills.evaluation.tables import figures, measured
from skills.evaluation.task import MODES, Arena, load_tasks
from tests.fakes.cluster.server import running_cluster

HERE = Path(__file__).parent
Where = Literal["cluster", "local"]
Tell = Callable[[Row], None]
TASKS: Mapping[Where, Path] = {"cluster": HERE / "tasks.yaml", "local": HERE / "tasks-local.yaml"}
REVIEWED = (
    "A skill without preconditions fails once; the rules of `skill review` edit it from that one report; before and after are "
    "then compared on failures that the edit never saw, and on the fault that the skill is made for."
)
PLACES: Mapping[Where, str] = {
    "cluster": "Where: the small Kubernetes API server of the tests, a fresh namespace per attempt; the real client over TLS, the "
    "guard with its ledger, the product's own actions, probes and runners. Its kubelet decides from images, variables, policies "
    "and roles whether a pod serves.",
    "local": "Where: the local stack, started afresh for every attempt: real processes, PostgreSQL, files and links, broken by the "
    "chaos server, changed only through the action server; the shipped skills. One attempt at a time, and no part left out.",
}
NO_MODEL = (
    "What this cannot say: no model took part, in no role. The published figures are of agents that call one; what a model adds as "
    "planner, verifier or optimiser is measured only where one is configured, and nothing here stands for it."
)
BESIDE: Mapping[Where, int] = {"cluster": 4, "local": 1}
"""Attempts at a time."""


def methods(where: Where) -> Mapping[str, Method]:
    """Ours, simple ones with the habits of the place, and ours without each part."""
    habits = CLUSTER if where == "cluster" else HOST
    return {
        "firebreak": ours(),
        "direct command": direct_command(habits),
        "nearest procedure": nearest_procedure,
        "look and act": look_and_act(habits),
        **(ABLATIONS if where == "cluster" else {}),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a campaign measured in one place."""

    where: Where
    rows: list[Row]
    lessons: list[Tried]


def campaign(where: Where, mode: str, rounds: int, *, only: Sequence[str] = (), tell: Tell = lambda _: None) -> Found:
    """Every method at every task, then what reviews are worth; `only` names tasks and leaves the reviews out."""
    tasks = load_tasks(TASKS[where])
    wanted = [t for t in tasks if not only or t.name in only]

    async def play(arena: Arena) -> list[Row]:
        beside = BESIDE[where]
        return await measure(arena, wanted, methods(where), MODES[mode], rounds=rounds, beside=beside, tell=tell)

    async def on_cluster(arena: ClusterArena, root: Path) -> Found:
        rows = await play(arena)
        learnt = [] if only else await lessons(arena, tasks, root / "lessons", MODES[mode])
        return Found(where=where, rows=rows, lessons=learnt)

    if where == "local":
        return Found(where=where, rows=asyncio.run(play(StackArena())), lessons=[])
    with running_cluster() as cluster, tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        return asyncio.run(on_cluster(ClusterArena(cluster, root, written_shelf(root / "shelf", words())), root))


def page(found: Sequence[Found], mode: str, rounds: int) -> list[str]:
    """Everything as Markdown, with how it was measured."""
    lines = [
        "# Figures of skills",
        "",
        f"Written by `firebreak eval skills` at {_commit()}, {datetime.now(UTC):%Y-%m-%d}, without a model. "
        f"Load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors.",
        "",
        NO_MODEL,
    ]
    for one in found:
        lines += ["", f"# On the {'small cluster' if one.where == 'cluster' else 'local stack'}", ""]
        lines += [measured(MODES[mode], mode, rounds, one.rows), "", PLACES[one.where], ""]
        lines += figures(one.rows, list(ABLATIONS))
        lines += ["", "## What a review is worth", "", REVIEWED, "", *table(one.lessons)] if one.lessons else []
    return lines


def _commit() -> str:
    ran = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return ran.stdout.strip() or "an unknown commit"
