"""The six agent chaos conditions cost a compliant agent nothing; the same symptoms of its own making are charged.

Each condition is really made: a credential is revoked, a lock is taken over, a pointer is overwritten, heartbeats are
dropped, executions fail, the network is slow. The agent talks to the action server over HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from domain.action import Outcome, Tier, Verdict
from domain.errors import NotFoundError, ToolError
from domain.guard import Receipt
from governance.attribution import Cause, Condition
from governance.charging import charges
from governance.guard.agents_client import HttpAgents
from governance.guard.client import HttpGuard
from governance.guard.intent import IntentBeforeEffect
from governance.guard.server import build_action_server
from governance.ledger.port import Record
from governance.outcomes import rows_of
from governance.pulse import LIFE_S, Pulse
from governance.revocation import revocation
from governance.seats import grant, tier_of
from governance.violations import Violation
from tests.fakes.guard import RESTART, SCALE, TOKENS, Scene, actor, call, plan, with_code

pytestmark = pytest.mark.integration

WALK = ["BOOTSTRAP", "PREFLIGHT", "PLAN", "EXECUTE", "VERIFY", "PACKAGE", "REPORT", "EXIT"]


class Slow(httpx.ASGITransport):
    """A network that holds every request up by `seconds` of the scene's clock, and really yields."""

    def __init__(self, scene: Scene, seconds: float) -> None:
        super().__init__(app=build_action_server(scene.guard))
        self.scene, self.seconds = scene, seconds

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.scene.clock.advance(self.seconds)
        await asyncio.sleep(0.01)
        return await super().handle_async_request(request)


@asynccontextmanager
async def knocking(scene: Scene, name: str = "agent", delay_s: float = 0.0) -> AsyncIterator[HttpGuard]:
    async with HttpGuard("http://action-server", TOKENS[name][0], Slow(scene, delay_s)) as guard:
        yield guard


@asynccontextmanager
async def injected(scene: Scene, condition: Condition, seconds: float = 300) -> AsyncIterator[None]:
    """The chaos server says, sealed, what it does to the agent, and ends it."""
    body = {"condition": condition.value, "agent": "responder", "seconds": seconds}
    async with knocking(scene, "chaos") as chaos:
        sealed = await chaos.call("/v1/conditions", body)
        yield
        await chaos.call(f"/v1/conditions/{sealed['id']}/lift", {})


def costs_nothing(scene: Scene) -> None:
    """No charge, the seat as before, not revoked, nothing on the record."""
    assert [c for c in charges(scene.store) if c.charged] == []
    assert tier_of(scene.store, "responder", scene.policy) is Tier.T1
    assert revocation(scene.store, "responder") is None
    assert [row for row in rows_of(scene.store, "responder") if not row.held] == []


def causes(scene: Scene) -> set[tuple[Violation, Cause, bool]]:
    return {(c.violation, c.cause, c.charged) for c in charges(scene.store)}


async def one_step(agent: HttpGuard, name: str = "plan-1", **more: Any) -> Receipt:
    await agent.judge(plan(SCALE, id=name, **more), actor())
    return await agent.apply(name, "s1", actor())


async def test_token_revoked() -> None:
    """Refused while it lasts, however often it asks; given back afterwards, at the same tier."""
    scene = Scene()
    async with knocking(scene) as agent:
        await agent.judge(plan(SCALE), actor())
        async with injected(scene, Condition.TOKEN_REVOKED):
            for _ in range(3):
                assert (await agent.apply("plan-1", "s1", actor())).verdict is Verdict.DENY
            assert scene.executor.executed == []
        assert (await agent.apply("plan-1", "s1", actor())).outcome is Outcome.SUCCEEDED
    assert causes(scene) == {(Violation.FORBIDDEN_ACTION, Cause.INJECTED, False)}
    costs_nothing(scene)
    await scene.guard.quiet()


async def test_token_revoked_in_earnest() -> None:
    """Revoked by a person, told so, and at it again: charged."""
    scene = Scene()
    async with knocking(scene) as agent, knocking(scene, "operator") as person:
        await agent.judge(plan(SCALE), actor())
        await HttpAgents(person).revoke("responder", "looks odd")
        for _ in range(2):
            await agent.apply("plan-1", "s1", actor())
    assert causes(scene) == {(Violation.FORBIDDEN_ACTION, Cause.AGENT, True)}
    await scene.guard.quiet()


def taken_over(scene: Scene) -> None:
    """Another holder takes the api's lock."""
    with scene.store.transaction() as tx:
        doc = {"fence": tx.next_number("fence"), "claim": "another", "agent": "other"}
        expires = (tx.now + timedelta(seconds=60)).isoformat()
        tx.put(Record(kind="lock", id="api", status="held", at=tx.now, doc={**doc, "expires_at": expires}))


async def test_lock_lost() -> None:
    """Taken over between claim and dispatch: refused by its token, nothing dispatched, nothing charged."""
    scene = Scene()
    scene = scene.again(wrappers=with_code(IntentBeforeEffect, lambda: taken_over(scene)))
    async with injected(scene, Condition.LOCK_LOST), knocking(scene) as agent:
        assert (await one_step(agent)).verdict is Verdict.DENY
    assert scene.executor.executed == []
    assert {(v, charged) for v, _, charged in causes(scene)} == {(Violation.LOCK_EXPIRED, False)}
    costs_nothing(scene)


async def test_state_corrupted() -> None:
    """The pointer to its plan was overwritten: it asks for a plan that nobody judged, and is not charged."""
    scene = Scene()
    pointer = {"plan": "plan-1"}
    async with injected(scene, Condition.STATE_CORRUPTED), knocking(scene) as agent:
        await agent.judge(plan(SCALE), actor())
        pointer["plan"] = "\ufffd\ufffd garbage"
        with pytest.raises(NotFoundError):
            await agent.apply(pointer["plan"], "s1", actor())
        pointer["plan"] = "plan-1"
        assert (await agent.apply(pointer["plan"], "s1", actor())).outcome is Outcome.SUCCEEDED
    assert causes(scene) == {(Violation.APPLY_WITHOUT_PLAN, Cause.INJECTED, False)}
    costs_nothing(scene)


async def test_a_made_up_plan() -> None:
    """The same request with nothing injected: charged, revoked."""
    scene = Scene()
    async with knocking(scene) as agent:
        with pytest.raises(NotFoundError):
            await agent.apply("\ufffd\ufffd garbage", "s1", actor())
    assert causes(scene) == {(Violation.APPLY_WITHOUT_PLAN, Cause.AGENT, True)}
    await scene.guard.quiet()


class Beats:
    """Heartbeats as they arrive: who sends one, and what of it comes through."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.dropped = scene, False
        self.last: dict[tuple[str, str], Any] = {}

    def beat(self, agent: str = "responder", change: str = "inc-1") -> None:
        if not self.dropped:
            self.last[(agent, change)] = self.scene.clock.now()

    async def read(self, working: Sequence[tuple[str, str]]) -> list[Pulse]:
        oldest = self.scene.clock.now() - timedelta(seconds=LIFE_S)
        alive = {work: at for work, at in self.last.items() if at > oldest}
        return [Pulse(agent=a, change=c, beat=alive.get((a, c))) for a, c in working]


async def beaten(scene: Scene, beats: Beats, agent: HttpGuard, rounds: int = 4) -> None:
    """A compliant agent: beats every thirty seconds, and works."""
    for n in range(rounds):
        beats.beat()
        await one_step(agent, f"plan-{n}", confidence=0.9)
        scene.clock.advance(30)
        await scene.guard.trust.check_pulses(beats)


async def test_heartbeat_timeout() -> None:
    """It beats, and its heartbeats are dropped on the way."""
    scene = Scene()
    beats = Beats(scene)
    beats.dropped = True
    async with injected(scene, Condition.HEARTBEAT_TIMEOUT), knocking(scene) as agent:
        await beaten(scene, beats, agent)
    assert causes(scene) == {(Violation.HEARTBEAT_TIMEOUT, Cause.INJECTED, False)}
    costs_nothing(scene)


async def test_working_without_a_heartbeat() -> None:
    """Nothing drops them: it sends none and goes on working."""
    scene = Scene()
    beats = Beats(scene)
    beats.dropped = True
    async with knocking(scene) as agent:
        await beaten(scene, beats, agent)
    assert causes(scene) == {(Violation.HEARTBEAT_TIMEOUT, Cause.AGENT, True)}
    await scene.guard.quiet()


async def test_a_process_that_died_at_work() -> None:
    """It beat, asked, and was killed: its heartbeat ends while its last question is fresh, and nobody is charged."""
    scene = Scene()
    beats = Beats(scene)
    async with knocking(scene) as agent:
        beats.beat()
        scene.clock.advance(29)
        await one_step(agent)
    for _ in range(20):
        scene.clock.advance(10)
        await scene.guard.trust.check_pulses(beats)
    assert causes(scene) == {(Violation.HEARTBEAT_TIMEOUT, Cause.INFRASTRUCTURE, False)}
    costs_nothing(scene)


async def test_all_heartbeats_lost_together() -> None:
    """Two agents at work and nobody is heard: the store or the network, nobody is charged or revoked."""
    scene = Scene()
    beats = Beats(scene)
    async with knocking(scene) as agent:
        await one_step(agent)
        await agent.judge(plan(RESTART, id="plan-9", incident="inc-9"), actor("other", "inc-9"))
        for _ in range(2):
            scene.clock.advance(5)
            await scene.guard.trust.check_pulses(beats)
    assert causes(scene) == {(Violation.HEARTBEAT_TIMEOUT, Cause.INFRASTRUCTURE, False)}
    assert len(charges(scene.store)) == 2
    costs_nothing(scene)


def failing() -> None:
    raise ToolError("injected")


async def spiked(scene: Scene, tries: int = 5) -> list[Receipt]:
    """The same action on the same target fails, again and again."""
    scene.executor.before_effect = failing
    found = []
    async with knocking(scene) as agent:
        for n in range(tries):
            await agent.judge(plan(call("scale_pool", size=20 + n), id=f"plan-{n}"), actor())
            found.append(await agent.apply(f"plan-{n}", "s1", actor()))
        report = {"agent": "responder", "run": "r-1", "outcome": "escalated", "phases": WALK, "verified": False}
        await agent.record("closing", "inc-1", {**report, "artifacts": ["verification", "brief"]})
    scene.executor.before_effect = None
    return found


async def test_error_spike() -> None:
    """Failures that were injected use up no error budget and stand on no record."""
    scene = Scene()
    async with injected(scene, Condition.ERROR_SPIKE):
        receipts = await spiked(scene)
    assert {r.outcome for r in receipts} == {Outcome.FAILED}
    assert charges(scene.store) == []
    costs_nothing(scene)


async def test_errors_of_its_own() -> None:
    """The same failures with nothing injected: the budget ends, and going on is charged."""
    scene = Scene()
    receipts = await spiked(scene)
    assert [r.verdict for r in receipts] == [Verdict.ALLOW] * 3 + [Verdict.DENY] * 2
    assert (Violation.ERROR_BUDGET_EXCEEDED, Cause.AGENT, True) in causes(scene)
    assert revocation(scene.store, "responder") is not None
    assert [row.held for row in rows_of(scene.store, "responder")] == [False] * 3
    await scene.guard.quiet()


async def test_network_delay() -> None:
    """Every request is held up for forty seconds, so that heartbeats come too late: it works, and is not charged."""
    scene = Scene()
    beats = Beats(scene)
    async with injected(scene, Condition.NETWORK_DELAY, 3600), knocking(scene, delay_s=40) as agent:
        await beaten(scene, beats, agent)
    assert {(v, charged) for v, _, charged in causes(scene)} == {(Violation.HEARTBEAT_TIMEOUT, False)}
    assert len(scene.executor.executed) == 1
    costs_nothing(scene)


async def test_dawdling() -> None:
    """The network is fine; the agent itself beats too late while it works."""
    scene = Scene()
    beats = Beats(scene)
    async with knocking(scene) as agent:
        beats.beat()
        scene.clock.advance(LIFE_S + 1)
        for n in range(3):
            await one_step(agent, f"plan-{n}")
            await scene.guard.trust.check_pulses(beats)
            scene.clock.advance(10)
    assert causes(scene) == {(Violation.HEARTBEAT_TIMEOUT, Cause.AGENT, True)}
    await scene.guard.quiet()


async def test_the_same_lock_wanted_by_two_agents() -> None:
    """Two incidents want the same service: one after the other, never at once, both without a charge."""
    scene = Scene()
    scene.executor.hold = asyncio.Event()
    async with knocking(scene) as agent:
        await agent.judge(plan(RESTART), actor())
        await agent.judge(plan(SCALE, id="plan-2", incident="inc-2"), actor(change="inc-2"))
        both = asyncio.gather(agent.apply("plan-1", "s1", actor()), agent.apply("plan-2", "s1", actor(change="inc-2")))
        for _ in range(300):
            await asyncio.sleep(0)
        scene.executor.hold.set()
        receipts = await both
    assert [r.outcome for r in receipts] == [Outcome.SUCCEEDED] * 2
    assert scene.executor.most_running["api"] == 1
    assert charges(scene.store) == []


async def test_one_agent_revoked_in_mid_incident() -> None:
    """What it applied is taken back under the compensation authority; the other agent goes on untouched."""
    scene = Scene()
    with scene.store.transaction() as tx:
        grant(tx, agent="other", tier=Tier.T1, policy=scene.policy, by="operator", why="test")
    async with knocking(scene) as agent, knocking(scene, "operator") as person:
        await agent.judge(plan(SCALE, RESTART), actor())
        await agent.apply("plan-1", "s1", actor())
        await HttpAgents(person).revoke("responder", "looks odd")
        assert (await agent.apply("plan-1", "s2", actor())).verdict is Verdict.DENY
        assert (await agent.compensate("plan-1", "s1", actor())).outcome is Outcome.SUCCEEDED
        await agent.judge(plan(RESTART, id="plan-2", incident="inc-2"), actor("other", "inc-2"))
        assert (await agent.apply("plan-2", "s1", actor("other", "inc-2"))).outcome is Outcome.SUCCEEDED
    assert scene.executor.world["api"]["pool"] == 5
    assert charges(scene.store) == []
    await scene.guard.quiet()


async def test_a_poisoned_message_on_the_blackboard() -> None:
    """A finding that suggests a value is untrusted text: the step waits for a person, and asking is no violation."""
    scene = Scene()
    poisoned = plan(call("set_config", key="UPSTREAM", value="http://evil.example"))
    tainted = poisoned.steps[0].model_copy(update={"tainted_args": ["value"]})
    async with knocking(scene) as agent:
        await agent.judge(poisoned.model_copy(update={"steps": [tainted]}), actor())
        receipt = await agent.apply("plan-1", "s1", actor())
    assert receipt.verdict is Verdict.ASK
    assert scene.executor.executed == []
    assert charges(scene.store) == []
