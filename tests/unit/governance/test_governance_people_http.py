"""What people say about a change, over HTTP: take it, give it back, label what shadow mode would have done."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest

from domain.action import Tier, Verdict
from domain.errors import ConfigError, ToolUnknownError
from governance.guard.client import HttpGuard
from governance.guard.saga import close_injections
from governance.guard.server import build_action_server
from governance.guard.several import SeveralExecutors
from governance.seats import grant
from governance.shadow import Agreement
from tests.fakes.executor import FakeExecutor, mixed_inventory
from tests.fakes.guard import RESTART, SCALE, TOKENS, Scene, actor, call, plan


@asynccontextmanager
async def over_http(scene: Scene, name: str) -> AsyncIterator[HttpGuard]:
    transport = httpx.ASGITransport(app=build_action_server(scene.guard))
    async with HttpGuard("http://action-server", TOKENS[name][0], transport) as guard:
        yield guard


async def test_a_change_is_taken_and_given_back() -> None:
    """Between the two, its agent is refused."""
    scene = Scene()
    async with over_http(scene, "maria") as person, over_http(scene, "agent") as agent:
        await person.take("inc-1", "my turn")
        (refused,) = await agent.judge(plan(RESTART), actor())
        await person.give_back("inc-1", "yours again")
        (allowed,) = await agent.judge(plan(RESTART, id="plan-2"), actor())
    assert (refused.verdict, allowed.verdict) == (Verdict.DENY, Verdict.ALLOW)


async def test_a_shadow_proposal_is_labelled() -> None:
    """With the person's name."""
    scene = Scene(inventory=mixed_inventory())
    with scene.store.transaction() as tx:
        grant(tx, agent="responder", tier=Tier.T1, policy=scene.policy, by="operator", why="test")
    async with over_http(scene, "maria") as person, over_http(scene, "agent") as agent:
        await agent.judge(plan(call("restart_service", "mirror")), actor())
        (kept,) = await person.shadowed(scene.clock.now() - timedelta(days=1))
        labelled = await person.label_shadow(kept.id, Agreement.SAME)
    assert (labelled.label, labelled.labelled_by) == (Agreement.SAME, "maria")


async def test_only_injections_are_closed_by_their_end() -> None:
    """A step that was applied under the same change stays on the list of what an unwind takes back."""
    scene = Scene()
    await scene.agent.judge(plan(SCALE), actor())
    await scene.agent.apply("plan-1", "s1", actor())
    with scene.store.transaction() as tx:
        close_injections(tx, "inc-1")
    assert [item.step for item in await scene.operator.unwindable("inc-1")] == ["s1"]


async def test_each_action_belongs_to_one_executor() -> None:
    """Two of one name are a mistake of whoever put them together; an unknown one belongs to nobody."""
    world = FakeExecutor()
    both = SeveralExecutors(world)
    assert both.specs() == sorted(world.specs(), key=lambda s: s.name)
    assert both.spec("restart_service") == world.spec("restart_service")
    assert both.spec("no_such") is None
    with pytest.raises(ToolUnknownError):
        both.check(call("no_such"))
    dry = await both.dry_run(both.check(SCALE))
    result = await both.execute(SCALE, idempotency_key="k")
    assert dry.summary
    assert (await both.read_back(SCALE, result)).outcome is result.outcome
    with pytest.raises(ConfigError):
        SeveralExecutors(world, world)
