"""Driving skill runs: each unfinished run has one task that advances its thread and waits for people; kill -9 loses nothing."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from traceback import format_exc
from typing import Any

import structlog
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.types import Command

from domain.errors import FirebreakError, LeaseLostError, Transient
from domain.guard import ApprovalStatus
from domain.value import new_id
from graph.checkpoint.lease import Leases
from graph.skills.build import APPROVED, RECURSION_LIMIT, SkillGraph, build, report_of
from graph.tasks import end_tasks
from skills.bench import Bench
from skills.executor import begin
from skills.report import Order, Report, RunStatus

log = structlog.get_logger(__name__)
LEASE_S = 15.0
POLL_S = 1.0
RETRY_S = 2.0


class SkillRunner:
    """Starts and resumes runs. `start` takes up whatever was unfinished; `close` stops where it is."""

    def __init__(self, bench: Bench, leases: Leases, holder: str) -> None:
        self.bench = bench
        self._leases = leases
        self._holder = holder
        self._graph: SkillGraph | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self, saver: BaseCheckpointSaver[Any]) -> None:
        """Go on with every unfinished run."""
        self._graph = build(self.bench, saver)
        for report in self.bench.store.runs():
            if not report.status.ended:
                self._drive(report.id)

    async def close(self) -> None:
        """The checkpoints have everything."""
        await end_tasks(self._tasks)

    async def submit(self, order: Order, *, rehearsal: str = "", run_id: str = "") -> Report:
        """Check, store and begin one run; a given id that is known is not begun again. Raises NotFoundError, SkillError."""
        if run_id and (known := self.bench.store.known_run(run_id)) is not None:
            return known
        report = await asyncio.to_thread(begin, order, run_id or new_id("skr"), self.bench, rehearsal)
        self.bench.store.save(report)
        self._drive(report.id)
        return report

    async def ended(self, run_id: str) -> Report:
        """The report of a run that this process drives, once it ended."""
        task = self._tasks.get(run_id)
        if task is not None:
            await asyncio.wait({task})
        return self.bench.store.run(run_id)

    def _drive(self, run_id: str) -> None:
        task = asyncio.create_task(self._run(run_id), name=f"skill {run_id}")
        self._tasks[run_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(run_id, None))

    async def _run(self, run_id: str) -> None:
        while True:
            try:
                if await self._go_on(run_id):
                    return
            except (LeaseLostError, Transient) as error:
                log.warning("skill.delayed", run=run_id, error=type(error).__name__)
                await self.bench.clock.sleep(RETRY_S)
            except Exception as error:
                log.error("skill.failed", run=run_id, trace=format_exc(limit=-3))
                self._broke(run_id, error)
                return

    async def _go_on(self, run_id: str) -> bool:
        """One stretch of a run; True when it ended."""
        assert self._graph is not None, "start came before"
        config: Any = {"configurable": {"thread_id": run_id}, "recursion_limit": RECURSION_LIMIT}
        snapshot = await self._graph.aget_state(config)
        if snapshot.values and not snapshot.next:
            return True
        given: Any = None
        if not snapshot.values:
            given = {"report": self.bench.store.run(run_id).model_dump(mode="json")}
        elif snapshot.interrupts:
            answer = await self._answer(snapshot.interrupts[0].value)
            if answer is None:
                await asyncio.sleep(POLL_S)
                return False
            given = Command(resume=answer)
        await self._advance(run_id, given, config)
        return False

    async def _advance(self, run_id: str, given: Any, config: Any) -> None:
        assert self._graph is not None, "start came before"
        lease = await self._leases.acquire(run_id, self._holder, LEASE_S)
        if lease is None:
            raise LeaseLostError(f"another runner works on {run_id}")
        keeper = asyncio.create_task(self._keep(lease))
        try:
            async for values in self._graph.astream(given, config, stream_mode="values", durability="sync"):
                self._project(report_of(values))  # type: ignore[arg-type]
            snapshot = await self._graph.aget_state(config)
            if snapshot.interrupts:
                waiting = report_of(snapshot.values)  # type: ignore[arg-type]
                self.bench.store.save(waiting.model_copy(update={"status": RunStatus.WAITING}))
        finally:
            keeper.cancel()
            with suppress(FirebreakError, OSError):
                await self._leases.release(lease)

    async def _keep(self, lease: Any) -> None:
        while True:
            await asyncio.sleep(LEASE_S / 3)
            with suppress(FirebreakError, OSError):
                await self._leases.renew(lease, LEASE_S)

    async def _answer(self, question: Any) -> str | None:
        """APPROVED, or why not; None: nobody answered yet."""
        approval = await self.bench.guard.approval(str(question["approval"]))
        if approval.status in (ApprovalStatus.APPROVED, ApprovalStatus.MODIFIED, ApprovalStatus.CONSUMED):
            return APPROVED
        if approval.status is not ApprovalStatus.OPEN:
            by = ", ".join(approval.answered_by)
            return (
                f"approval {approval.id} {approval.status.value} by {by or 'nobody'}: {approval.reason or 'no reason'}"
            )
        late = approval.expires_at < self.bench.clock.now()
        return f"approval {approval.id}: nobody answered in time" if late else None

    def _project(self, report: Report) -> None:
        """What faces see; while steps remain, a status that has ended counts only when the report is written back."""
        if report.status.ended and report.ended_at is None:
            report = report.model_copy(update={"status": RunStatus.RUNNING})
        self.bench.store.save(report)

    def _broke(self, run_id: str, error: Exception) -> None:
        words = "; ".join(error.lines()) if isinstance(error, FirebreakError) else type(error).__name__
        report = self.bench.store.run(run_id)
        status = RunStatus.UNKNOWN if report.mutated else RunStatus.FAILED
        ended = {"status": status, "notes": [*report.notes, words], "ended_at": self.bench.clock.now()}
        self.bench.store.save(report.model_copy(update=ended))
