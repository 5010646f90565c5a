"""Every wrapper of the guard is needed: with it a misuse over HTTP is stopped, without it the same misuse succeeds.

Each misuse drives the real client and the real server over a real socket and says whether it got through.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest

from domain.action import Outcome, Tier, Verdict
from domain.errors import FirebreakError
from domain.guard import Receipt
from domain.value import digest
from governance.credentials.grants import Standing, end_grants, live_grants
from governance.guard.attempt import Wrapper
from governance.guard.client import HttpGuard
from governance.guard.intent import IntentBeforeEffect
from governance.guard.order import WRAPPERS
from governance.policy import load_policy
from governance.seats import grant
from tests.fakes.executor import mixed_inventory
from tests.fakes.guard import RESTART, SCALE, TOKENS, Scene, actor, call, plan, step, with_code
from tests.fakes.served import served

pytestmark = pytest.mark.integration

T = TypeVar("T")
Wrappers = Sequence[type[Wrapper]]
Misuse = Callable[[Wrappers], Awaitable[bool]]


@asynccontextmanager
async def knock(scene: Scene, name: str = "agent") -> AsyncIterator[HttpGuard]:
    """A client of the scene's action server, over a real socket."""
    async with served(scene) as url, HttpGuard(url, TOKENS[name][0]) as guard:
        yield guard


async def tried(asked: Awaitable[T]) -> T | None:
    """The answer, or None when it was refused with a problem document."""
    try:
        return await asked
    except FirebreakError:
        return None


async def applied(guard: HttpGuard, step_id: str = "s1", plan_id: str = "plan-1") -> Receipt | None:
    return await tried(guard.apply(plan_id, step_id, actor()))


async def a_drill_token_changes_something(wrappers: Wrappers) -> bool:
    """The chaos server's token applies a step that the agent had judged."""
    scene = Scene(wrappers=wrappers)
    async with knock(scene) as agent, knock(scene, "chaos") as chaos:
        await agent.judge(plan(RESTART), actor())
        await applied(chaos)
    return bool(scene.executor.executed)


async def a_repeated_request_loses_its_receipt(wrappers: Wrappers) -> bool:
    """A step was carried out, its answer was lost, and somebody froze: asking again must tell what happened."""
    scene = Scene(wrappers=wrappers)
    async with knock(scene) as agent, knock(scene, "operator") as person:
        await agent.judge(plan(RESTART), actor())
        first = await applied(agent)
        await person.freeze("meanwhile")
        return await applied(agent) != first


async def a_frozen_door_lets_through(wrappers: Wrappers) -> bool:
    """A step is applied after the kill switch was pressed."""
    scene = Scene(wrappers=wrappers)
    async with knock(scene) as agent, knock(scene, "operator") as person:
        await agent.judge(plan(RESTART), actor())
        await person.freeze("stop")
        await applied(agent)
    return bool(scene.executor.executed)


async def a_revoked_agent_goes_on(wrappers: Wrappers) -> bool:
    """A person revoked the agent between its judgement and its step."""
    scene = Scene(wrappers=wrappers)
    async with knock(scene) as agent:
        await agent.judge(plan(RESTART), actor())
        await scene.guard.trust.revoke("responder", by="maria", why="looks odd")
        await applied(agent)
    return bool(scene.executor.executed)


async def an_undeclared_argument_is_carried_out(wrappers: Wrappers) -> bool:
    """An argument that the action does not declare reaches the executor."""
    scene = Scene(wrappers=wrappers)
    async with knock(scene) as agent:
        await agent.judge(plan(call("scale_pool", size=10, force="; rm -rf /")), actor())
        await applied(agent)
    return bool(scene.executor.executed)


async def an_observed_service_is_changed(wrappers: Wrappers) -> bool:
    """A restart of a service in observe mode is allowed. (Its credential would still be refused: a second lock.)"""
    scene = Scene(wrappers=wrappers, inventory=mixed_inventory())
    seat(scene)
    async with knock(scene) as agent:
        judged = await agent.judge(plan(call("restart_service", "legacy")), actor())
        await applied(agent)
    return judged[0].verdict is Verdict.ALLOW or bool(scene.executor.executed)


async def an_operator_tier_destroys_data(wrappers: Wrappers) -> bool:
    """An agent at T1 is allowed something irreversible. (Its credential would still be refused: a second lock.)"""
    scene = Scene(wrappers=wrappers)
    async with knock(scene) as agent:
        judged = await agent.judge(plan(call("drop_table", "postgres", table="orders")), actor())
        await applied(agent)
    return judged[0].verdict is Verdict.ALLOW or "orders" not in scene.executor.world["postgres"]["tables"]


async def a_log_line_chooses_an_argument(wrappers: Wrappers) -> bool:
    """A value from untrusted text is used although neither the inventory nor a person knows it."""
    scene = Scene(wrappers=wrappers)
    poisoned = step("s1", call("set_config", key="UPSTREAM", value="http://evil.example"), tainted_args=["value"])
    async with knock(scene) as agent:
        await agent.judge(plan(poisoned), actor())
        await applied(agent)
    return bool(scene.executor.executed)


async def restarting_goes_on_for_ever(wrappers: Wrappers) -> bool:
    """The same service is restarted for the seventh time within ten minutes."""
    scene = Scene(wrappers=wrappers)
    async with knock(scene) as agent:
        for n in range(7):
            await agent.judge(plan(RESTART, id=f"plan-{n}"), actor())
            await applied(agent, plan_id=f"plan-{n}")
    return len(scene.executor.executed) > 6


async def a_superseded_plan_is_carried_out(wrappers: Wrappers) -> bool:
    """New evidence led to another plan, and a step of the old one is applied."""
    scene = Scene(wrappers=wrappers)
    async with knock(scene) as agent:
        await agent.judge(plan(RESTART, id="plan-old"), actor())
        await agent.judge(plan(SCALE, id="plan-new"), actor())
        await applied(agent, plan_id="plan-old")
    return bool(scene.executor.executed)


async def an_unchecked_step_runs(wrappers: Wrappers) -> bool:
    """A step is carried out although its dry run does not answer."""
    scene = Scene(wrappers=wrappers)
    scene.executor.mute = True
    async with knock(scene) as agent:
        await agent.judge(plan(RESTART), actor())
        await applied(agent)
    return bool(scene.executor.executed)


async def a_no_is_ignored(wrappers: Wrappers) -> bool:
    """Every wrapper gives its reasons, one of them says no, and the step is carried out all the same."""
    scene = Scene(wrappers=wrappers)
    async with knock(scene) as agent:
        await agent.judge(plan(call("scale_pool", size=10, force="; rm -rf /")), actor())
        await applied(agent)
    return bool(scene.executor.executed)


async def nobody_was_asked(wrappers: Wrappers) -> bool:
    """Under the production rules a step is applied without anybody's answer."""
    scene = Scene(wrappers=wrappers, policy=load_policy("production"))
    async with knock(scene) as agent:
        await agent.judge(plan(RESTART), actor())
        await applied(agent)
    return bool(scene.executor.executed)


async def a_change_never_ends(wrappers: Wrappers) -> bool:
    """One incident makes its eleventh change."""
    scene = Scene(wrappers=wrappers)
    async with knock(scene) as agent:
        for n in range(11):
            await agent.judge(plan(call("scale_pool", size=20 + n), id=f"plan-{n}"), actor())
            await applied(agent, plan_id=f"plan-{n}")
            scene.clock.advance(70)
    return len(scene.executor.executed) > 10


async def two_changes_of_one_target_at_once(wrappers: Wrappers) -> bool:
    """Two steps on the same target run at the same time."""
    scene = Scene(wrappers=wrappers)
    async with knock(scene) as agent:
        await agent.judge(plan(RESTART, SCALE), actor())
        scene.executor.hold = asyncio.Event()
        both = asyncio.gather(applied(agent, "s1"), applied(agent, "s2"))
        for _ in range(50):
            await asyncio.sleep(0.01)
        scene.executor.hold.set()
        await both
    return scene.executor.most_running["api"] > 1


async def an_effect_happens_twice(wrappers: Wrappers) -> bool:
    """The same step is applied twice."""
    scene = Scene(wrappers=wrappers)
    async with knock(scene) as agent:
        await agent.judge(plan(RESTART), actor())
        await applied(agent)
        await applied(agent)
    return len(scene.executor.executed) > 1


async def a_revoked_credential_still_acts(wrappers: Wrappers) -> bool:
    """The credential of a claimed step is revoked before the step is dispatched."""
    scenes: list[Scene] = []

    def revoke() -> None:
        with scenes[0].store.transaction() as tx:
            live = [grant.accessor for grant in live_grants(tx)]
            end_grants(tx, live, Standing.REVOKED, by="operator", why="stolen")

    scene = Scene(wrappers=with_code(IntentBeforeEffect, revoke, wrappers))
    scenes.append(scene)
    async with knock(scene) as agent:
        await agent.judge(plan(RESTART), actor())
        await applied(agent)
    return bool(scene.executor.executed)


async def a_crash_after_dispatch_repeats_the_effect(wrappers: Wrappers) -> bool:
    """The action server dies between the effect and its outcome; its successor is asked for the same step."""
    scene = Scene(wrappers=wrappers)
    stuck = scene.executor.hold = asyncio.Event()
    async with knock(scene) as agent:
        await agent.judge(plan(RESTART), actor())
        lost = asyncio.ensure_future(applied(agent))
        while not scene.executor.executed:
            await asyncio.sleep(0)
        successor = scene.again()
        scene.executor.hold = None
        await successor.guard.recover()
        async with knock(successor) as agent_again:
            receipt = await applied(agent_again)
        assert receipt is not None
        stuck.set()
        await lost
    return len(scene.executor.executed) > 1


async def an_effect_without_an_outcome(wrappers: Wrappers) -> bool:
    """A step was carried out and the ledger does not say what came of it."""
    scene = Scene(wrappers=wrappers)
    async with knock(scene) as agent:
        await agent.judge(plan(RESTART), actor())
        await applied(agent)
        kinds = [entry.kind for entry in await agent.ledger()]
    return "intent" in kinds and "effect" not in kinds


async def a_claimed_success_is_believed(wrappers: Wrappers) -> bool:
    """The executor reports success, and nothing happened."""
    scene = Scene(wrappers=wrappers)
    scene.executor.lies = True
    async with knock(scene) as agent:
        await agent.judge(plan(RESTART), actor())
        receipt = await applied(agent)
    return receipt is not None and receipt.outcome is Outcome.SUCCEEDED


class Golden:
    """A golden snapshot that is whatever the api's configuration says."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    async def digests(self) -> dict[str, str]:
        return {"api.golden": digest(self.scene.executor.world["api"]["config"])}


async def a_golden_snapshot_is_changed(wrappers: Wrappers) -> bool:
    """A step changes a golden snapshot, and the agent goes on with its next one."""
    scene = Scene(wrappers=wrappers)
    scene.guard.parts.baselines = Golden(scene)
    async with knock(scene) as agent:
        await agent.judge(plan(call("set_config", key="MODE", value="odd"), RESTART), actor())
        await applied(agent, "s1")
        await applied(agent, "s2")
    return len(scene.executor.executed) > 1


MISUSES: dict[str, Misuse] = {
    "authenticate": a_drill_token_changes_something,
    "recall": a_repeated_request_loses_its_receipt,
    "freeze": a_frozen_door_lets_through,
    "revocation": a_revoked_agent_goes_on,
    "inventory": an_undeclared_argument_is_carried_out,
    "mode": an_observed_service_is_changed,
    "tier": an_operator_tier_destroys_data,
    "taint": a_log_line_chooses_an_argument,
    "policy": restarting_goes_on_for_ever,
    "plan": a_superseded_plan_is_carried_out,
    "dry_run": an_unchecked_step_runs,
    "refuse": a_no_is_ignored,
    "approval": nobody_was_asked,
    "budget": a_change_never_ends,
    "lock": two_changes_of_one_target_at_once,
    "claim": an_effect_happens_twice,
    "credential": a_revoked_credential_still_acts,
    "intent": a_crash_after_dispatch_repeats_the_effect,
    "outcome": an_effect_without_an_outcome,
    "read_back": a_claimed_success_is_believed,
    "baseline": a_golden_snapshot_is_changed,
}


def seat(scene: Scene) -> None:
    """An inventory with more than sandboxes seats nobody by itself; the operator does."""
    with scene.store.transaction() as tx:
        grant(tx, agent="responder", tier=Tier.T1, policy=scene.policy, by="operator", why="test")


def test_every_wrapper_has_its_misuse() -> None:
    """A wrapper without a misuse here would be a wrapper nobody needs."""
    assert list(MISUSES) == [wrapper.name for wrapper in WRAPPERS]


@pytest.mark.parametrize("name", MISUSES)
async def test_with_all_wrappers_the_misuse_is_stopped(name: str) -> None:
    """The full list refuses every misuse."""
    assert not await MISUSES[name](WRAPPERS)


@pytest.mark.parametrize("name", MISUSES)
async def test_without_its_wrapper_the_misuse_succeeds(name: str) -> None:
    """Delete one wrapper, and exactly its misuse gets through."""
    fewer = [wrapper for wrapper in WRAPPERS if wrapper.name != name]
    assert await MISUSES[name](fewer)
