"""What a checkpoint says: the view of a real run, what changed between two, and a summary that keeps its budget."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.conditions import Condition
from domain.pipeline import StageResult, StageStatus
from graph.checkpoint.views import BUDGETS, CheckpointView, TaskState, difference, summary, tokens, view_of
from tests.fakes.house import House
from tests.fakes.world import World

POOL = (Condition.POOL_SATURATED, "api")


async def checkpoints() -> tuple[House, list[CheckpointView]]:
    """Views of a run with a step that was taken back, oldest first."""
    house = House(World(wrong={POOL: {"size": 5, "in_use": 5, "waiting": 3}}, mends={"widen_queue api"}))
    await house.run()
    config: Any = {"configurable": {"thread_id": "inc-1"}}
    rows = [view_of(row, agent="responder", tier="T1") async for row in house.saver.alist(config)]
    return house, rows[::-1]


async def test_the_newest_view_tells_how_the_run_ended() -> None:
    """Phase, status, tasks with their outcome, dependencies, evidence, agent and tier."""
    _, views = await checkpoints()
    last = views[-1]
    assert (last.thread, last.phase, last.status, last.agent, last.tier) == (
        "inc-1",
        "EXIT",
        "resolved",
        "responder",
        "T1",
    )
    assert [(t.what, t.state) for t in last.tasks] == [("widen_queue api", "succeeded")]
    assert last.dependencies
    assert last.evidence
    assert last.variables["replans"] == 1
    states = {t.state for view in views for t in view.tasks}
    assert {"pending", "allowed", "succeeded", "succeeded, taken back"} <= states


async def test_two_checkpoints_are_compared() -> None:
    """Only what is shown; a checkpoint does not differ from itself."""
    _, views = await checkpoints()
    changes = {c.field: (c.before, c.after) for c in difference(views[0], views[-1])}
    assert changes["phase"] == ("", "EXIT")
    assert difference(views[-1], views[-1]) == []


async def test_summaries_say_the_most_important_first() -> None:
    """A short one has the status; a long one has everything."""
    _, views = await checkpoints()
    short, long = summary(views[-1], 200), summary(views[-1], 4000)
    assert short.startswith("inc-1: resolved, phase EXIT")
    assert short.endswith("more lines")
    assert long.endswith("agent responder, tier T1")
    assert summary(views[-1], 5) == ""


def test_stages_of_pipelines_are_tasks() -> None:
    """With their status and visit."""
    result = StageResult(name="drill", status=StageStatus.FAILED, started_at="2026-01-01T00:00:00Z")
    found: Any = type("Found", (), {})()
    found.checkpoint = {"id": "c", "ts": "2026", "channel_values": {"stage_results": [result]}}
    found.config, found.metadata = {"configurable": {"thread_id": "pipe-1"}}, None
    assert view_of(found).tasks == [TaskState(task="drill", what="visit 1", state="failed")]


@given(
    st.lists(st.text(max_size=300), max_size=12),
    st.dictionaries(st.text(min_size=1, max_size=20), st.sampled_from([True, False, None]), max_size=5),
    st.sampled_from([1, 40, *BUDGETS]),
)
def test_no_summary_is_over_its_budget(evidence: list[str], dependencies: dict[str, bool | None], budget: int) -> None:
    """Whatever the texts are, in any script."""
    view = CheckpointView(thread="t", id="c", at="", evidence=evidence, dependencies=dependencies, agent="a")
    assert tokens(summary(view, budget)) <= budget
