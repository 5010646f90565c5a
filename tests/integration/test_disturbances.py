"""Agents disturbed on purpose by the chaos server, through both servers' routes: it costs a compliant agent nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from chaos import agents as agents_module
from domain.action import Outcome, Verdict
from domain.crew import AgentState, Packet, at_work
from domain.errors import LeaseLostError, StorageError
from domain.lifecycle import Phase, RuntimeStatus
from governance.attribution import Cause
from governance.charging import charges
from governance.revocation import revocation
from governance.state import keys
from governance.state.crew import Crew
from governance.state.pulses import CrewPulses
from governance.violations import Violation
from graph.heart import Heart
from tests.fakes.guard import SCALE, actor, plan
from tests.fakes.guarded_chaos import Together, guarded_chaos

pytestmark = pytest.mark.integration
ME = at_work("responder", "inc-1")


class Agent:
    """A compliant agent on one incident: it says where it stands, holds its lock, beats, and asks the guard."""

    def __init__(self, here: Together) -> None:
        self.here, self.clock = here, here.scene.clock
        self.crew = Crew(here.shared, self.clock)
        self.pulses = CrewPulses(self.crew, self.clock)

    async def stand(self) -> None:
        now = self.clock.now()
        await self.crew.enlist(Packet(agent=ME, task="inc-1", objective="mend", deadline=now))
        await self.crew.report(AgentState(agent=ME, phase=Phase.PLAN, status=RuntimeStatus.RUNNING, at=now))

    async def work(self, name: str) -> Verdict:
        await self.here.scene.agent.judge(plan(SCALE, id=name), actor())
        return (await self.here.scene.agent.apply(name, "s1", actor())).verdict

    async def look(self) -> None:
        await self.here.scene.guard.trust.check_pulses(self.pulses)

    def costs(self) -> set[tuple[Violation, Cause, bool]]:
        return {(c.violation, c.cause, c.charged) for c in charges(self.here.scene.store)}


async def done_to(here: Together, condition: str, task: str = "inc-1", **more: Any) -> str:
    status, body = await here.chaos("POST", f"/conditions/{condition}", {"task": task, "duration_s": 60, **more})
    assert status == 201, body
    return str(body["id"])


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not await condition():
            await asyncio.sleep(0.002)


@pytest.fixture
async def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Agent]:
    monkeypatch.setattr(agents_module, "AGAIN_S", 0.002)
    monkeypatch.setattr(keys, "BEAT_EVERY_S", 0.002)
    async with guarded_chaos(tmp_path) as here:
        made = Agent(here)
        await made.stand()
        yield made
        await here.scene.guard.quiet()


async def test_a_revoked_credential_is_given_back(agent: Agent) -> None:
    """Refused while it lasts, at the same seat afterwards; sealed until it is over."""
    await agent.here.scene.agent.judge(plan(SCALE), actor())
    disturbance = await done_to(agent.here, "token_revoked")
    assert [e.content.keys() for e in agent.here.scene.store.entries(limit=99) if e.kind == "injection"] == [
        {"commitment"}
    ]
    assert (await agent.here.scene.agent.apply("plan-1", "s1", actor())).verdict is Verdict.DENY
    status, body = await agent.here.chaos("GET", "/conditions")
    assert (status, [row["condition"] for row in body["active"]]) == (200, ["token_revoked"])
    await agent.here.chaos("POST", f"/conditions/{disturbance}/stop")
    assert (await agent.here.scene.agent.apply("plan-1", "s1", actor())).outcome is Outcome.SUCCEEDED
    assert revocation(agent.here.scene.store, "responder") is None
    assert agent.costs() == set()


async def test_an_agent_whose_lock_is_taken_rests_and_goes_on(agent: Agent) -> None:
    """It hears it from its heart, waits while the other one holds it, and takes it again afterwards."""
    lost: list[str] = []
    async with Heart(agent.crew, "responder").beating("inc-1", lambda: lost.append("inc-1")):
        disturbance = await done_to(agent.here, "lock_lost")

        async def heard() -> bool:
            return bool(lost)

        await until(heard)
    with pytest.raises(LeaseLostError):
        async with Heart(agent.crew, "responder").beating("inc-1"):
            pass
    await agent.here.chaos("POST", f"/conditions/{disturbance}/stop")
    async with Heart(agent.crew, "responder").beating("inc-1"):
        assert await agent.work("plan-1") is Verdict.ALLOW
    assert agent.costs() == set()


async def test_lost_heartbeats_are_seen_and_excused(agent: Agent) -> None:
    """It beats and works, nothing of it arrives: the guard sees the silence and knows its cause."""
    async with Heart(agent.crew, "responder").beating("inc-1"):
        await agent.work("plan-0")
        await done_to(agent.here, "heartbeat_timeout")
        agent.clock.advance(keys.HEARTBEAT_S)

        async def silent() -> bool:
            return await agent.crew.last_beat(ME) is None

        for _ in range(3):
            await until(silent)
            await agent.look()
            agent.clock.advance(1)
            agent.here.scene.guard.trust.heartbeats.heard(actor())
        await until(silent)
        await agent.look()
    assert agent.costs() <= {(Violation.HEARTBEAT_TIMEOUT, Cause.INJECTED, False)}


async def test_a_corrupted_state_blinds_the_watch_and_is_written_anew(agent: Agent) -> None:
    """Nobody is held responsible for what cannot be read; the next step of the agent says it again."""
    await agent.work("plan-0")
    disturbance = await done_to(agent.here, "state_corrupted")
    with pytest.raises(StorageError, match="not ours"):
        await agent.look()
    await agent.here.chaos("POST", f"/conditions/{disturbance}/stop")
    await agent.stand()
    await agent.look()
    assert agent.costs() == set()


async def test_what_lies_between_processes_is_not_pretended(agent: Agent) -> None:
    """Refused, with what can be done; so is anything while the door is frozen, or an id that is over."""
    for condition in ("error_spike", "network_delay"):
        status, body = await agent.here.chaos("POST", f"/conditions/{condition}", {"task": "inc-1"})
        assert (status, "not done by this server" in body["detail"]) == (409, True)
    await agent.here.scene.operator.freeze("not now")
    status, body = await agent.here.chaos("POST", "/conditions/lock_lost", {"task": "inc-1"})
    assert (status, "frozen" in body["detail"]) == (409, True)
    assert (await agent.here.chaos("POST", "/conditions/dst-000000000000/stop"))[0] == 404
    assert (await agent.here.chaos("POST", "/conditions/lock_lost", {"task": "inc-1"}, token="wrong"))[0] == 401


async def test_a_disturbance_ends_by_itself_and_with_its_server(agent: Agent) -> None:
    """Its time is over, or the kill switch is thrown: lifted both ways, and nothing goes on."""
    await done_to(agent.here, "lock_lost", duration_s=0.01)

    async def over() -> bool:
        return bool((await agent.here.chaos("GET", "/conditions"))[1]["active"] == [])

    await until(over)
    await done_to(agent.here, "heartbeat_timeout")
    assert (await agent.here.chaos("POST", "/kill"))[0] == 200
    assert await over()
    opened = [e.content["condition"] for e in agent.here.scene.store.entries(limit=99) if e.kind == "restoration"]
    assert opened == ["lock_lost", "heartbeat_timeout"]


async def test_without_a_shared_store_it_says_so(agent: Agent) -> None:
    """With SQLite each process keeps its own."""
    object.__setattr__(agent.here.running, "disturber", None)
    status, body = await agent.here.chaos("GET", "/conditions")
    assert (status, "cannot be disturbed here" in cast(Any, body)["detail"]) == (409, True)
