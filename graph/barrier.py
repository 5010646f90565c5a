"""The acknowledgement barrier: agents pause, hear a clarified plan, and resume when all that are active acknowledged it."""

from __future__ import annotations

from dataclasses import dataclass

from domain.clock import Clock
from domain.crew import AgentState, ClarifiedPlan
from domain.errors import LeaseLostError
from domain.lifecycle import RuntimeStatus, may_stand
from governance.state.crew import Crew

CLARIFYING = "a plan is being clarified"
POLL_S = 0.2
"""How often the acknowledgements are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """How it went."""

    plan: ClarifiedPlan
    """With those who acknowledged it."""
    missing: list[str]
    """Active agents that did not, in time."""


class Barrier:
    """Over shared state, so that agents of other processes stand at it too."""

    def __init__(self, crew: Crew, clock: Clock) -> None:
        self._crew = crew
        self._clock = clock

    async def pass_with(self, plan: ClarifiedPlan, agent: str, *, patience_s: float) -> Passed:
        """Tell everybody and wait. `agent` is who calls: it takes the plan into its packet, which is its acknowledgement.

        The caller's lock is given back while it is paused and taken again afterwards. Raises LeaseLostError when another
        agent took it meanwhile.
        """
        task, held = plan.task, self._crew.fence(plan.task) > 0
        await self._pause(task)
        await self._crew.unlock(task)
        await self._crew.broadcast(plan)
        await self._take(plan, agent)
        missing = await self._wait(plan, patience_s)
        if held and await self._crew.lock(task, agent) is None:
            raise LeaseLostError(f"another agent took {task} during a clarification", code="state.lock_lost")
        await self._resume(task, missing)
        told = await self._crew.clarified(task, plan.id)
        return Passed(plan=told or plan, missing=missing)

    async def _pause(self, task: str) -> None:
        """Pause everybody at work who may be paused where they stand."""
        for state in await self._crew.standing(task):
            if state.status.owes_heartbeat and may_stand(state.phase, RuntimeStatus.PAUSED):
                await self._stand(state, RuntimeStatus.PAUSED, CLARIFYING)

    async def _take(self, plan: ClarifiedPlan, agent: str) -> None:
        packet = await self._crew.packet(agent)
        if packet is not None:
            constraints = list(dict.fromkeys([*packet.constraints, *plan.adjustments]))
            update = {"objective": plan.clarified_objective, "constraints": constraints}
            await self._crew.enlist(packet.model_copy(update=update))
        await self._crew.acknowledge(plan.task, plan.id, agent)

    async def _wait(self, plan: ClarifiedPlan, patience_s: float) -> list[str]:
        until = self._clock.monotonic() + patience_s
        while True:
            told = await self._crew.clarified(plan.task, plan.id)
            by = told.acknowledged_by if told else []
            missing = [name for name in await self._crew.active(plan.task) if name not in by]
            if not missing or self._clock.monotonic() >= until:
                return missing
            await self._clock.sleep(POLL_S)

    async def _resume(self, task: str, missing: list[str]) -> None:
        """Whoever was paused for a clarification and acknowledged it; also one that an earlier try left paused."""
        for state in await self._crew.standing(task):
            paused = state.status is RuntimeStatus.PAUSED and state.note == CLARIFYING
            if paused and state.agent not in missing:
                await self._stand(state, RuntimeStatus.RUNNING, "acknowledged the clarified plan")

    async def _stand(self, state: AgentState, status: RuntimeStatus, note: str) -> None:
        update = {"status": status, "at": self._clock.now(), "note": note}
        await self._crew.report(state.model_copy(update=update))
