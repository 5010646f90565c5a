"""Driving runs: each unfinished incident has one task that advances its thread, waits for people, and outlives failures."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from traceback import format_exc
from typing import Any

import structlog
from langgraph.types import Command

from domain.clock import Clock
from domain.errors import FirebreakError, LeaseLostError, Transient, UpstreamError
from domain.guard import Approval, ApprovalStatus, Guard
from domain.incident import Incident, IncidentStatus
from domain.lifecycle import MAX_RECOVERIES, RuntimeStatus, run_result
from graph.lookout import Lookout
from graph.nodes.closing import FAILED
from graph.records.delivery import Order
from graph.records.events import RUN_FAILED
from graph.records.incidents import Incidents
from graph.records.projection import project
from graph.state import State
from graph.tasks import end_tasks
from graph.telling import Telling
from graph.threads import Position, Threads

log = structlog.get_logger(__name__)

RECOVERY_S = 3.0
"""Rest before a failed run is taken up again."""
POLL_S = 1.0
"""How often an open approval is looked up, for answers that were given elsewhere."""


class Driver:
    """The tasks of all runs of this process."""

    def __init__(self, *, incidents: Incidents, telling: Telling, guard: Guard, clock: Clock, lookout: Lookout) -> None:
        self._threads: Threads
        self._incidents = incidents
        self._lookout = lookout
        self._telling = telling
        self._guard = guard
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._nudges: dict[str, asyncio.Event] = {}

    async def start(self, threads: Threads) -> None:
        """Go on with every unfinished incident."""
        self._threads = threads
        for incident_id in await self._incidents.unfinished():
            self.drive(incident_id)

    async def close(self) -> None:
        """Stop all runs where they are; the checkpoints have everything."""
        await end_tasks(self._tasks)

    def nudge(self, incident_id: str) -> None:
        """A person did something: look now instead of at the next poll."""
        if incident_id in self._nudges:
            self._nudges[incident_id].set()

    def ordered(self, incident_id: str) -> None:
        """A person ordered something that is recorded already: halt after the superstep that runs now, then obey."""
        self._threads.ask_to_halt(incident_id)
        self.nudge(incident_id)
        self.drive(incident_id)

    def drive(self, incident_id: str) -> None:
        """Go on with a run, unless that is being done already."""
        if incident_id in self._tasks:
            return
        self._nudges[incident_id] = asyncio.Event()
        task = asyncio.create_task(self._run(incident_id), name=f"run {incident_id}")
        self._tasks[incident_id] = task
        task.add_done_callback(lambda _: self._forget(incident_id))

    def _forget(self, incident_id: str) -> None:
        self._tasks.pop(incident_id, None)
        self._nudges.pop(incident_id, None)

    async def _run(self, incident_id: str) -> None:
        while True:
            try:
                if await self._go_on(incident_id):
                    return
            except LeaseLostError:
                log.warning("run.elsewhere", incident=incident_id)
                await self._clock.sleep(5.0)
            except Transient as error:
                log.warning("run.delayed", incident=incident_id, error=type(error).__name__)
                await self._clock.sleep(2.0)
            except Exception as error:
                log.error("run.failed", incident=incident_id, trace=format_exc(limit=-3))
                if await self._failed(incident_id, error):
                    return
                await self._clock.sleep(RECOVERY_S)

    async def _go_on(self, incident_id: str) -> bool:
        """One stretch of a run; True when it ended."""
        position = await self._threads.position(incident_id)
        if position.ended:
            await self._telling.saved(project(position.state))
            return True
        order = await self._incidents.order(incident_id)
        if order is not None and position.begun and not position.state.get("halt"):
            await self._threads.halt(incident_id, order.halt)
            return False
        if not position.begun:
            await self._threads.advance(incident_id, await self._first_input(incident_id, order))
        elif position.waiting:
            approval_id = position.waiting[0][1].get("approval")
            async with self._lookout.over(position.state, approval_id, self._threads.knobs):
                answer = await self._await_person(incident_id, position)
            if answer is not None:
                await self._threads.advance(incident_id, answer)
        else:
            await self._threads.advance(incident_id, None)
        return False

    async def _first_input(self, incident_id: str, order: Order | None) -> State:
        record = await self._incidents.get(incident_id)
        return State(
            incident=incident_id,
            run=record.run_id,
            title=record.title,
            service=record.service,
            alerts=await self._incidents.alerts(incident_id),
            reopens=record.reopens,
            halt=order.halt if order else "",
        )

    async def _await_person(self, incident_id: str, position: Position) -> Command[Any] | None:
        """Until the approval was answered (on any surface) or a person ordered something (None)."""
        interrupt_id, payload = position.waiting[0]
        approval_id = payload.get("approval")
        nudge = self._nudges[incident_id]
        while True:
            nudge.clear()
            if await self._incidents.order(incident_id) is not None:
                return None
            approval = await self._answered(approval_id)
            if approval is not None:
                event = "approval.answered" if approval.moot_since is None else "approval.withdrawn"
                await self._telling.remarked(incident_id, event, _answer_words(approval), approval=approval.id)
                return Command(resume={interrupt_id: _as_answer(approval)})
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await nudge.wait()

    async def _answered(self, approval_id: str | None) -> Approval | None:
        if approval_id is None:
            return None
        try:
            approval = await self._guard.approval(approval_id)
        except UpstreamError as error:
            log.warning("approval.unreadable", approval=approval_id, error=error.message)
            return None
        expired = approval.status is ApprovalStatus.OPEN and approval.expires_at < self._clock.now()
        if expired:
            return approval.model_copy(update={"status": ApprovalStatus.EXPIRED})
        return None if approval.status is ApprovalStatus.OPEN else approval

    async def _failed(self, incident_id: str, error: Exception) -> bool:
        """Remember the failure and decide: recover, turn towards a person, or give up. True when nothing more is tried."""
        words = error.message if isinstance(error, FirebreakError) else type(error).__name__
        try:
            failures = await self._incidents.failures(incident_id) + 1
            text = f"{FAILED} ({failures} of {MAX_RECOVERIES} recoveries): {words}"
            await self._telling.remarked(incident_id, RUN_FAILED, text, failures=failures)
            record = await self._incidents.get(incident_id)
            if failures == MAX_RECOVERIES + 1 and not record.status.terminal:
                await self._threads.halt(incident_id, f"{FAILED} {failures} times: {words}")
            if failures <= 2 * MAX_RECOVERIES:
                return False
            await self._give_up(record, words)
        except Exception:
            log.error("run.failure_unrecorded", incident=incident_id, trace=format_exc(limit=-3))
            return False
        return True

    async def _give_up(self, record: Incident, words: str) -> None:
        """Even the end fails: close the record where it stands, so that a person is told. A cure stays a cure."""
        closing = {"status": IncidentStatus.ESCALATED, "outcome": "failed", "run_result": run_result("failed").value}
        update = {} if record.status.terminal else {**closing, "closed_at": self._clock.now()}
        await self._telling.saved(record.model_copy(update={**update, "runtime": RuntimeStatus.FAILED}))
        await self._telling.remarked(record.id, "incident.abandoned", f"{FAILED} for good: {words}")


def _answer_words(approval: Approval) -> str:
    what = f"{approval.call.action} on {approval.call.target}"
    if approval.moot_since is not None:
        return f"{what}: withdrawn, {approval.reason}"
    by = ", ".join(approval.answered_by)
    return f"{what}: {approval.status.value}{' by ' + by if by else ''}"


def _as_answer(approval: Approval) -> dict[str, Any]:
    return {
        "approval": approval.id,
        "status": approval.status.value,
        "by": approval.answered_by,
        "reason": approval.reason,
        "moot": approval.moot_since is not None,
    }
