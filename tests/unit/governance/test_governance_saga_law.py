"""The law of the saga: a plan and then its rollback leave the world as it was, and what did not come back is said."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.action import ActionCall, Outcome
from governance.claims import compensable
from tests.fakes.guard import Scene, actor, call, plan

targets = st.sampled_from(["api", "postgres"])
scalings = st.builds(lambda target, size: call("scale_pool", target, size=size), targets, st.integers(1, 9))
settings_ = st.builds(
    lambda target, key, value: call("set_config", target, key=key, value=value),
    targets,
    st.sampled_from(["A", "B"]),
    st.sampled_from(["", "x", "y"]),
)
plans = st.lists(st.one_of(scalings, settings_), min_size=1, max_size=8)


def durable(scene: Scene) -> dict[str, Any]:
    """What a rollback must bring back."""
    return {name: {k: copy.deepcopy(v[k]) for k in ("pool", "config")} for name, v in scene.executor.world.items()}


async def carried_out(calls: list[ActionCall]) -> tuple[Scene, dict[str, Any]]:
    scene = Scene()
    before = durable(scene)
    await scene.agent.judge(plan(*calls), actor())
    for n in range(1, len(calls) + 1):
        receipt = await scene.agent.apply("plan-1", f"s{n}", actor())
        assert receipt.outcome in {Outcome.SUCCEEDED, Outcome.SKIPPED}, receipt
    return scene, before


@given(plans)
@settings(max_examples=60, deadline=None)
def test_plan_then_rollback_restores(calls: list[ActionCall]) -> None:
    """Whatever was scaled and set, in whatever order and however often: unwound backwards, the world is as before."""

    async def law() -> None:
        scene, before = await carried_out(calls)
        report = await scene.operator.unwind()
        assert report.complete, report
        assert durable(scene) == before
        order = [(e.content["plan"], e.content["step"]) for e in scene.store.stream() if e.kind == "compensation"]
        assert order == sorted(order, key=lambda row: int(row[1][1:]), reverse=True)

    asyncio.run(law())


@given(plans, st.integers(0, 7))
@settings(max_examples=40, deadline=None)
def test_a_rollback_by_the_agent_restores_as_well(calls: list[ActionCall], stop: int) -> None:
    """Step by step through `compensate`, from wherever the plan stopped."""

    async def law() -> None:
        done = calls[: stop + 1]
        scene, before = await carried_out(done)
        for claim in compensable(scene.store, "inc-1"):
            receipt = await scene.agent.compensate("plan-1", claim.step, actor())
            assert receipt.outcome in {Outcome.SUCCEEDED, Outcome.SKIPPED}
        assert durable(scene) == before
        assert compensable(scene.store, "inc-1") == []

    asyncio.run(law())


@given(plans)
@settings(max_examples=40, deadline=None)
def test_a_lost_answer_loses_no_undo(calls: list[ActionCall]) -> None:
    """Every answer of the executor is lost after its effect: each is read back, none is sent twice, all comes back."""

    async def law() -> None:
        scene = Scene()
        before = durable(scene)
        with_undo = [step_with_undo(scene, n, c) for n, c in enumerate(calls[:1], start=1)]
        await scene.agent.judge(plan(*with_undo), actor())

        def lost() -> None:
            raise TimeoutError

        scene.executor.after_effect = lost
        receipt = await scene.agent.apply("plan-1", "s1", actor())
        scene.executor.after_effect = None
        assert receipt.outcome in {Outcome.SUCCEEDED, Outcome.SKIPPED}
        assert len(scene.executor.executed) <= 1
        assert (await scene.operator.unwind()).complete
        assert durable(scene) == before

    asyncio.run(law())


def step_with_undo(scene: Scene, n: int, of: ActionCall) -> Any:
    from tests.fakes.guard import step

    before = scene.executor.world[of.target]
    if of.action == "scale_pool":
        undo = of.model_copy(update={"args": {"size": before["pool"]}})
    else:
        undo = of.model_copy(update={"args": {"key": of.args["key"], "value": ""}})
    return step(f"s{n}", of, undo=undo)
