"""The agents at work on a task see the same through every implementation of shared state."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from domain.clock import ManualClock
from domain.crew import AgentState, ClarifiedPlan, Finding, OutputPointer, Packet, RunRow
from domain.errors import StorageError
from domain.lifecycle import OutputType, Phase, RuntimeStatus
from governance.state import keys
from governance.state.crew import Crew
from governance.state.memory import MemoryState
from governance.state.redis import RedisState
from tests.fakes.redis_server import running_redis

pytestmark = pytest.mark.integration
NOW = ManualClock().now()


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with running_redis() as url:
        yield url


@pytest.fixture(params=["memory", "redis"])
async def crew(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[Crew]:
    clock = ManualClock()
    shared: Any = MemoryState(clock) if request.param == "memory" else RedisState(redis_url, clock)
    yield Crew(shared, clock)
    await shared.aclose()


def packet(agent: str, task: str) -> Packet:
    return Packet(agent=agent, task=task, objective="users are served", tools=["http_health"], deadline=NOW)


def stands(agent: str, status: RuntimeStatus, phase: Phase = Phase.PLAN) -> AgentState:
    return AgentState(agent=agent, phase=phase, status=status, at=NOW)


def clarified(task: str, name: str = "c1") -> ClarifiedPlan:
    return ClarifiedPlan(
        id=name,
        task=task,
        trigger="the step did not cure it",
        history_reviewed=["s1: succeeded"],
        outputs_analysed=["0" * 64],
        original_objective="users are served",
        clarified_objective="users are served, without another restart",
        adjustments=["do not restart api again"],
        at=NOW,
    )


async def test_packets_and_standings(crew: Crew) -> None:
    """The packet comes back as it was; only those that have not ended are active."""
    for name, status, phase in (
        ("a@t1", RuntimeStatus.RUNNING, Phase.PLAN),
        ("b@t1", RuntimeStatus.COMPLETED, Phase.EXIT),
        ("c@t1", RuntimeStatus.PAUSED, Phase.PLAN),
    ):
        await crew.enlist(packet(name, "t1"))
        await crew.report(stands(name, status, phase))
    await crew.enlist(packet("silent@t1", "t1"))
    assert await crew.packet("a@t1") == packet("a@t1", "t1")
    assert await crew.packet("nobody@t1") is None
    assert [s.agent for s in await crew.standing("t1")] == ["a@t1", "b@t1", "c@t1"]
    assert await crew.active("t1") == ["a@t1", "c@t1"]
    assert await crew.standing("unheard-of") == []


async def test_a_clarified_plan_reaches_everyone_once(crew: Crew) -> None:
    """Each agent finds what it has not acknowledged; acknowledging twice is acknowledging once."""
    await crew.broadcast(clarified("t2"))
    await crew.broadcast(clarified("t2"))
    await crew.broadcast(clarified("t2", "c2"))
    assert [p.id for p in await crew.unacknowledged("t2", "a@t2")] == ["c1", "c2"]
    for _ in range(2):
        await crew.acknowledge("t2", "c1", "a@t2")
    await crew.acknowledge("t2", "c1", "b@t2")
    found = await crew.clarified("t2", "c1")
    assert found == clarified("t2").model_copy(update={"acknowledged_by": ["a@t2", "b@t2"]})
    assert [p.id for p in await crew.unacknowledged("t2", "a@t2")] == ["c2"]
    assert await crew.clarified("t2", "never") is None
    assert await crew.shared.get(keys.objective("t2")) == clarified("t2").clarified_objective


async def test_what_agents_share(crew: Crew) -> None:
    """Blackboard by section, messages by channel, errors by agent, runs by agent: in order."""
    for n in range(2):
        await crew.post("t3", "diagnosis", Finding(agent="a@t3", at=NOW, text=f"look {n}", evidence=["E1"]))
        await crew.say("t3", "overwatch", f"word {n}")
        await crew.failed("a@t3", f"error {n}" + "x" * 900)
        await crew.ended("a", RunRow(task=f"t{n}", result="success", outcome="mitigated", at=NOW))
    assert [f.text for f in (await crew.blackboard("t3"))["diagnosis"]] == ["look 0", "look 1"]
    assert await crew.said("t3", "overwatch") == ["word 0", "word 1"]
    assert [len(e["error"]) for e in await crew.errors("a@t3")] == [500, 500]
    assert [row.task for row in await crew.history("a")] == ["t0", "t1"]
    assert await crew.blackboard("unheard-of") == {}


async def test_outputs_and_handoffs_are_pointed_at(crew: Crew) -> None:
    """The newest of each type, every digest of the task, and the handoff."""
    rows = [(OutputType.ALPHA, "1"), (OutputType.BETA, "2"), (OutputType.BETA, "3")]
    pointers = [
        OutputPointer(agent="a@t4", phase=Phase.PLAN, type=kind, kind="plan", at=NOW, sha256=d * 64) for kind, d in rows
    ]
    for pointer in pointers:
        await crew.point("t4", pointer)
    assert await crew.outputs("a@t4") == [pointers[0], pointers[2]]
    assert await crew.shared.members(keys.artifacts("t4")) == {p.sha256 for p in pointers}
    assert await crew.handoff("t4") is None
    await crew.hand_over("t4", pointers[2])
    assert await crew.handoff("t4") == pointers[2]


async def test_the_lock_is_this_process_own_business(crew: Crew) -> None:
    """Taken, renewed, given back; without a lock the token is 0 and there is nothing to do."""
    assert crew.fence("t5") == 0
    await crew.renew("t5")
    await crew.unlock("t5")
    lock = await crew.lock("t5", "a@t5")
    assert lock is not None
    assert crew.fence("t5") == lock.token
    assert await crew.lock("t5", "b@t5") is None
    assert crew.fence("t5") == lock.token
    await crew.unlock("t5")
    assert await crew.shared.holder("t5") is None


async def test_a_corrupted_document_is_refused(crew: Crew) -> None:
    """What does not have the shape is an error, never half a packet."""
    await crew.shared.put(keys.packet("a@t6"), {"agent": "a@t6", "extra": 1})
    with pytest.raises(StorageError, match="not ours"):
        await crew.packet("a@t6")
    await crew.shared.put(keys.heartbeat("a@t6"), {"at": "yesterday"})
    with pytest.raises(StorageError, match="not ours"):
        await crew.last_beat("a@t6")
