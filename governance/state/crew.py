"""The agents at work on a task, over shared state: packets, heartbeats, locks, findings, clarified plans, outputs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from domain.clock import Clock
from domain.crew import AgentState, ClarifiedPlan, Finding, OutputPointer, Packet, RunRow
from domain.lifecycle import OutputType
from domain.value import Value
from governance.state import keys
from governance.state.keys import Key
from governance.state.port import Lock, SharedState, not_ours

V = TypeVar("V", bound=Value)

SECTIONS = ("diagnosis", "plan", "steps", "verification")
"""Sections of an incident's blackboard."""


class Crew:
    """Typed access. Raises what shared state raises, and StorageError for documents that are not ours."""

    def __init__(self, shared: SharedState, clock: Clock) -> None:
        self.shared = shared
        self._clock = clock
        self._held: dict[str, Lock] = {}

    # -- who is at work -------------------------------------------------------------------------------------------

    async def enlist(self, packet: Packet) -> None:
        """Give an agent its packet; it belongs to the task's crew from now on."""
        await self.shared.put(keys.packet(packet.agent), _plain(packet))
        await self.shared.put(keys.objective(packet.task), packet.objective)
        await self.shared.include(keys.agents(packet.task), packet.agent)

    async def packet(self, agent: str) -> Packet | None:
        """The agent's packet as it stands now."""
        return await self._one(Packet, keys.packet(agent))

    async def report(self, state: AgentState) -> None:
        """An agent says where it stands. Who owes no heartbeat has none."""
        await self.shared.put(keys.state(state.agent), _plain(state))
        if not state.status.owes_heartbeat:
            await self.rest(state.agent)

    async def standing_of(self, agent: str) -> AgentState | None:
        """Where one agent stands; None when it never said."""
        return await self._one(AgentState, keys.state(agent))

    async def standing(self, task: str) -> list[AgentState]:
        """Where every agent of the task stands, by name."""
        names = sorted(await self.shared.members(keys.agents(task)))
        found = [await self.standing_of(name) for name in names]
        return [state for state in found if state is not None]

    async def active(self, task: str) -> list[str]:
        """Agents of the task that have not ended."""
        return [state.agent for state in await self.standing(task) if not state.status.terminal]

    async def beat(self, agent: str) -> None:
        """A sign of life; none from an agent that said that it owes none."""
        stands = await self.standing_of(agent)
        if stands is None or stands.status.owes_heartbeat:
            await self.shared.put(keys.heartbeat(agent), self._clock.now().isoformat())

    async def rest(self, agent: str) -> None:
        """No sign of life is owed from now on."""
        await self.shared.forget(keys.heartbeat(agent))

    async def last_beat(self, agent: str) -> datetime | None:
        """The last sign of life; None when it is older than its life, or was never owed."""
        key = keys.heartbeat(agent)
        found = await self.shared.get(key)
        try:
            return None if found is None else datetime.fromisoformat(found)
        except (TypeError, ValueError) as error:
            raise not_ours(key, type(found).__name__) from error

    async def failed(self, agent: str, error: str, *, own: bool = False) -> None:
        """Something went wrong for the agent. `own`: by a mistake of its own, not by what it works with."""
        row = {"at": self._clock.now().isoformat(), "error": error[:500], "own": own}
        await self.shared.push(keys.errors(agent), row)

    async def errors(self, agent: str) -> list[dict[str, Any]]:
        """What went wrong lately, oldest first: `at`, `error`, `own`."""
        return await self.shared.items(keys.errors(agent))

    # -- the task's lock ------------------------------------------------------------------------------------------

    async def lock(self, task: str, agent: str) -> Lock | None:
        """Take the task's lock; None while another agent holds it."""
        lock = await self.shared.acquire(task, agent)
        if lock is not None:
            self._held[task] = lock
        return lock

    def fence(self, task: str) -> int:
        """The token that this process acts under, 0 without a lock. A stale one is kept: the action server refuses it."""
        lock = self._held.get(task)
        return lock.token if lock else 0

    async def renew(self, task: str) -> None:
        """Raises LeaseLostError when a newer holder exists; without a lock nothing happens."""
        if (lock := self._held.get(task)) is not None:
            await self.shared.renew(lock)

    async def unlock(self, task: str) -> None:
        """Give the lock back, if this process holds it."""
        if (lock := self._held.pop(task, None)) is not None:
            await self.shared.release(lock)

    # -- what they share ------------------------------------------------------------------------------------------

    async def post(self, task: str, section: str, finding: Finding) -> None:
        """Write on the blackboard."""
        await self.shared.push(keys.blackboard(task, section), _plain(finding))

    async def blackboard(self, task: str) -> dict[str, list[Finding]]:
        """All sections that hold something."""
        rows = {s: await self._all(Finding, keys.blackboard(task, s)) for s in SECTIONS}
        return {s: found for s, found in rows.items() if found}

    async def say(self, task: str, channel: str, text: str) -> None:
        """A message to whoever reads the channel."""
        await self.shared.push(keys.messages(task, channel), {"at": self._clock.now().isoformat(), "text": text})

    async def said(self, task: str, channel: str) -> list[str]:
        """The channel, oldest first."""
        return [row["text"] for row in await self.shared.items(keys.messages(task, channel))]

    # -- clarified plans ------------------------------------------------------------------------------------------

    async def broadcast(self, plan: ClarifiedPlan) -> None:
        """Tell every agent of the task. Telling the same plan again is telling it once."""
        await self.shared.put(keys.plan(plan.task, plan.id), _plain(plan))
        await self.shared.put(keys.objective(plan.task), plan.clarified_objective)
        if plan.id not in await self.shared.items(keys.broadcast(plan.task)):
            await self.shared.push(keys.broadcast(plan.task), plan.id)

    async def clarified(self, task: str, plan: str) -> ClarifiedPlan | None:
        """One clarified plan with those who acknowledged it so far."""
        found = await self._one(ClarifiedPlan, keys.plan(task, plan))
        if found is None:
            return None
        by = sorted(await self.shared.members(keys.acknowledged(task, plan)))
        return found.model_copy(update={"acknowledged_by": by})

    async def acknowledge(self, task: str, plan: str, agent: str) -> None:
        """The agent read the plan and works by it from now on."""
        await self.shared.include(keys.acknowledged(task, plan), agent)

    async def unacknowledged(self, task: str, agent: str) -> list[ClarifiedPlan]:
        """Plans that were broadcast and that this agent has not acknowledged, oldest first."""
        plans = [await self.clarified(task, name) for name in await self.shared.items(keys.broadcast(task))]
        return [plan for plan in plans if plan is not None and agent not in plan.acknowledged_by]

    # -- what they leave ------------------------------------------------------------------------------------------

    async def point(self, task: str, pointer: OutputPointer) -> None:
        """Say where the newest output of its type lies."""
        await self.shared.put(keys.output(pointer.agent, pointer.type.value), _plain(pointer))
        await self.shared.include(keys.artifacts(task), pointer.sha256)

    async def outputs(self, agent: str) -> list[OutputPointer]:
        """The newest output of each type."""
        found = [await self._one(OutputPointer, keys.output(agent, kind.value)) for kind in OutputType]
        return [pointer for pointer in found if pointer is not None]

    async def hand_over(self, task: str, pointer: OutputPointer) -> None:
        """Point at the task's handoff document."""
        await self.shared.put(keys.handoff(task), _plain(pointer))

    async def handoff(self, task: str) -> OutputPointer | None:
        """Where the newest handoff document lies."""
        return await self._one(OutputPointer, keys.handoff(task))

    async def ended(self, agent: str, row: RunRow) -> None:
        """A run of the agent ended."""
        await self.shared.push(keys.history(agent), _plain(row))

    async def history(self, agent: str) -> Sequence[RunRow]:
        """The agent's runs, oldest first."""
        return await self._all(RunRow, keys.history(agent))

    async def _one(self, kind: type[V], key: Key) -> V | None:
        found = await self.shared.get(key)
        return None if found is None else _typed(kind, found, key)

    async def _all(self, kind: type[V], key: Key) -> list[V]:
        return [_typed(kind, row, key) for row in await self.shared.items(key)]


def _typed(kind: type[V], found: Any, key: Key) -> V:
    try:
        return kind.model_validate(found)
    except ValidationError as error:
        raise not_ours(key, f"no {kind.__name__}: {error.error_count()} fields do not fit") from error


def _plain(value: Any) -> dict[str, Any]:
    plain: dict[str, Any] = value.model_dump(mode="json")
    return plain
