"""The incident response as a pipeline takes the very same way as the incident graph, on the same incidents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langgraph.types import Command

from domain.action import Verdict
from domain.conditions import Condition
from domain.guard import ApprovalStatus
from graph.pipelines.catalogue import STAGE_TEMPLATES
from graph.pipelines.compiling import compile_pipeline
from graph.pipelines.reading import load_pipeline
from graph.pipelines.stages import Bindings
from graph.state import Knobs
from tests.fakes.house import House
from tests.fakes.world import World, alert

PAUSED = (Condition.PROCESS_PAUSED, "api")
POOL = (Condition.POOL_SATURATED, "api")
POOL_FACTS = {"size": 5, "in_use": 5, "waiting": 3}
NODES = {name.removeprefix("incident.").replace("_", "-") for name in STAGE_TEMPLATES if name.startswith("incident.")}


def asked(world: World, **verdicts: Verdict) -> Callable[[], House]:
    return lambda: House(World(wrong=dict(world.wrong), mends=set(world.mends)), verdicts=dict(verdicts))


def asking_back() -> House:
    house = House(World(wrong={POOL: POOL_FACTS}))
    house.guard.asks_undo = True
    return house


INCIDENTS: dict[str, tuple[Callable[[], House], dict[str, Any], ApprovalStatus | None]] = {
    "mended": (asked(World(wrong={PAUSED: {}}, mends={"resume_process api"})), {}, None),
    "second choice": (asked(World(wrong={PAUSED: {}}, mends={"restart_service api"})), {}, None),
    "taken back, then mended": (asked(World(wrong={POOL: POOL_FACTS}, mends={"widen_queue api"})), {}, None),
    "nothing helps": (asked(World(wrong={POOL: POOL_FACTS})), {"max_replans": 1}, None),
    "healthy": (asked(World()), {}, None),
    "denied, second choice": (
        asked(World(wrong={PAUSED: {}}, mends={"restart_service api"}), resume_process=Verdict.DENY),
        {},
        None,
    ),
    "approved": (
        asked(World(wrong={PAUSED: {}}, mends={"resume_process api"}), resume_process=Verdict.ASK),
        {},
        ApprovalStatus.APPROVED,
    ),
    "rejected": (
        asked(World(wrong={PAUSED: {}}, mends={"restart_service api"}), resume_process=Verdict.ASK),
        {},
        ApprovalStatus.REJECTED,
    ),
    "taken back when a person says so": (asking_back, {"max_replans": 1}, ApprovalStatus.APPROVED),
    "left standing because a person says so": (asking_back, {"max_replans": 1}, ApprovalStatus.REJECTED),
    "observed": (asked(World(wrong={PAUSED: {}})), {"autonomy": "observe"}, None),
    "shadowed": (asked(World(wrong={PAUSED: {}})), {"autonomy": "shadow"}, None),
}


async def walked(graph: Any, house: House, knobs: Knobs, answer: ApprovalStatus | None) -> tuple[list[str], Any]:
    """Names of the nodes in the order in which they ended, and the final state."""
    config: Any = {"configurable": {"thread_id": "inc-1"}}
    given: Any = {"incident": "inc-1", "run": "inc-1", "alerts": [alert()]}
    names: list[str] = []
    while given is not None:
        async for update in graph.astream(given, config, context=knobs, stream_mode="updates"):
            names += [name.replace("_", "-") for name in update if name != "__interrupt__"]
        waiting = (await graph.aget_state(config)).interrupts
        given = None
        if waiting and answer is not None:
            house.guard.answer(waiting[0].value["approval"], answer)
            given = Command(resume={waiting[0].id: {"status": answer.value}})
    return [name for name in names if name in NODES], (await graph.aget_state(config)).values


@pytest.mark.parametrize("case", sorted(INCIDENTS))
async def test_both_take_the_same_way(case: str) -> None:
    """Same nodes in the same order, same effects, same outcome."""
    make, given, answer = INCIDENTS[case]
    knobs, one, two = Knobs(verify_s=0.2, patience_s=0.2, **given), make(), make()
    pipeline = compile_pipeline(
        load_pipeline("incident-response"), STAGE_TEMPLATES, Bindings(services=two.services), two.saver
    )
    way, ended = await walked(one.graph(), one, knobs, answer)
    same, twin = await walked(pipeline, two, knobs, answer)
    assert same == way
    assert two.world.effects == one.world.effects
    assert (twin["outcome"], twin["phases"]) == (ended["outcome"], ended["phases"])
