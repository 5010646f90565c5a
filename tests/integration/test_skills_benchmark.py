"""The skills benchmark on the tests' API server: it tells methods apart, and its judge sees what they do not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.skills.arena import ClusterArena, words
from benchmarks.skills.campaign import TASKS, methods
from benchmarks.skills.lessons import HEALTHY, LESSONS
from benchmarks.skills.shelf import written_shelf
from cli.main import app
from graph.skills.measure import measure
from skills.evaluation.score import Row
from skills.evaluation.task import MODES, Mode, load_tasks
from tests.fakes.cluster.server import running_cluster

pytestmark = pytest.mark.integration
PATIENT = Mode(fault_s=60.0, watch_s=0.0)
WANTED = ("two-releases-back", "no-cure", "diagnose-image")
ASKED = ("firebreak", "nearest procedure", "no hidden verification", "no rollback")


async def test_methods_are_told_apart(tmp_path: Path) -> None:
    """Ours mends, finds and takes back; without hidden checks it believes what looks well, without rollback it leaves changes."""
    tasks = [t for t in load_tasks(TASKS["cluster"]) if t.name in WANTED]
    asked = {name: methods("cluster")[name] for name in ASKED}
    with running_cluster() as cluster:
        arena = ClusterArena(cluster, tmp_path, written_shelf(tmp_path / "shelf", words()))
        rows = await measure(arena, tasks, asked, PATIENT)
    found = {(r.method, r.task): r for r in rows}

    def kept(method: str) -> list[bool]:
        return [found[method, task].success for task in WANTED]

    assert kept("firebreak") == [True, True, True], [r.why for r in rows]
    assert kept("no hidden verification") == [False, True, True]
    assert kept("no rollback") == [False, False, True]
    assert kept("nearest procedure")[:2] == [False, False]
    lost: Row = found["no hidden verification", "two-releases-back"]
    assert (lost.claim, lost.why) == ("done", "last-good-release does not hold")


def test_no_review_is_judged_by_the_failure_that_it_learnt_from() -> None:
    """Held out is held out: neither the learnt task nor, among the other faults, the skill's own."""
    for learnt, own, other in LESSONS.values():
        assert len({learnt, own, other, *HEALTHY}) == 3 + len(HEALTHY)


@pytest.mark.parametrize(("option", "value"), [("--mode", "slow"), ("--task", "make-coffee"), ("--on", "moon")])
def test_unknown_words_are_refused(option: str, value: str) -> None:
    """With what is known."""
    answer = CliRunner().invoke(app, ["eval", "skills", option, value])
    assert f"there is no such {option.strip('-').replace('on', 'place')}" in str(answer.exception)


def test_the_command_measures_and_writes_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As JSON with every row, and as the page with how it was measured; an innocent change is a trap for three methods."""
    monkeypatch.setitem(MODES, "fast", PATIENT)
    page = tmp_path / "figures.md"
    words = ["eval", "skills", "--task", "innocent-change", "--rounds", "1", "--write", str(page), "--json"]
    found = json.loads(CliRunner().invoke(app, words).stdout)
    assert (found["schema_version"], found["reviews"], len(found["rows"])) == ("1", [], len(methods("cluster")))
    assert found["methods"]["firebreak"]["success"] == 1.0
    assert found["methods"]["direct command"]["unsafe"] == found["methods"]["no gate"]["unsafe"] == 1.0
    assert "1 tasks, 1 times each, mode fast" in page.read_text()
    assert "- direct command, innocent-change: unsafe: restart_workload web; claims to have done it" in page.read_text()
