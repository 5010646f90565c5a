"""Driving pipeline runs: each unfinished run has one task that advances its thread and waits for people; kill -9 loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from traceback import format_exc
from typing import Annotated, Any, Literal

import structlog
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.types import Command
from pydantic import Field

from domain.alert import Alert
from domain.errors import ConfigError, ConflictError, FirebreakError, LeaseLostError, Transient
from domain.guard import ApprovalStatus, LedgerEntry
from domain.pipeline import Pipeline
from domain.value import Value, new_id
from graph.checkpoint.lease import Leases
from graph.pipelines.catalogue import STAGE_TEMPLATES
from graph.pipelines.checking import check_pipeline
from graph.pipelines.compiling import RECURSION_LIMIT, PipelineGraph, compile_pipeline
from graph.pipelines.gates import APPROVE, EXPIRED
from graph.pipelines.reading import take_inputs
from graph.pipelines.runs import PipelineRun, RunFiles
from graph.pipelines.stages import Bindings
from graph.pipelines.state import PipelineState
from graph.state import Knobs
from graph.tasks import end_tasks

log = structlog.get_logger(__name__)

LEASE_S = 15.0
POLL_S = 1.0
RETRY_S = 2.0
Say = Callable[[str, str, dict[str, Any]], Awaitable[LedgerEntry]]
"""(person's token, run, content) → the ledger entry that the action server wrote in that person's name."""


class GateAnswer(Value):
    """What a person says about a waiting stage."""

    decision: Literal["approve", "reject", "retry", "skip", "abort"]
    reason: Annotated[str, Field(max_length=1000)] = ""


class PipelineRunner:
    """Starts, resumes and stops runs. `start` takes up whatever was unfinished; `close` stops where it is."""

    def __init__(
        self, *, bindings: Bindings, leases: Leases, folder: Path, say: Say, knobs: Knobs, holder: str
    ) -> None:
        self._bindings = bindings
        self._leases = leases
        self._files = RunFiles(folder)
        self._say = say
        self._knobs = knobs
        self._holder = holder
        self._saver: BaseCheckpointSaver[Any] | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._nudges: dict[str, asyncio.Event] = {}

    async def start(self, saver: BaseCheckpointSaver[Any]) -> None:
        """Go on with every unfinished run."""
        self._saver = saver
        for run in self._files.all():
            if not run.ended:
                self._drive(run.id)

    async def close(self) -> None:
        """The checkpoints have everything."""
        await end_tasks(self._tasks)

    async def submit(self, pipeline: Pipeline, inputs: Mapping[str, Any], person: str) -> PipelineRun:
        """Check, store and begin one run. Raises ConfigError."""
        actions = {spec.name: spec for spec in await self._bindings.services.guard.specs()}
        found = [f for f in check_pipeline(pipeline, STAGE_TEMPLATES, actions) if f.level == "error"]
        if found:
            raise ConfigError(
                f"the pipeline {pipeline.name} must not run",
                expected="a pipeline without errors",
                found="; ".join(f"{f.stage}: {f.text}" for f in found[:8]),
                hint="firebreak pipeline validate shows them all",
                code="pipeline.invalid",
            )
        run = PipelineRun(
            id=new_id("pipe"),
            pipeline=pipeline,
            inputs=take_inputs(pipeline.inputs, inputs),
            started_by=person,
            started_at=self._bindings.services.clock.now(),
        )
        self._files.save(run)
        self._drive(run.id)
        return run

    def runs(self) -> list[PipelineRun]:
        """Newest first."""
        return self._files.all()

    def get(self, run_id: str) -> PipelineRun:
        """Raises NotFoundError."""
        return self._files.get(run_id)

    async def answer(self, run_id: str, stage: str, given: GateAnswer, *, person: str, token: str) -> PipelineRun:
        """A person's word about a waiting stage; who it was, the action server says. Raises ConflictError, AuthError."""
        run = self._open(run_id)
        question = next((q for q in run.waiting if q.get("stage") == stage and "approval" not in q), None)
        if question is None or given.decision not in question.get("allowed", []):
            raise ConflictError(
                f"{stage} of {run_id} does not wait for {given.decision}",
                expected="; ".join(f"{q['stage']}: {', '.join(q.get('allowed', []))}" for q in run.waiting)
                or "nothing",
                found=f"{stage}: {given.decision}",
            )
        if any(v["by"] == person for v in run.votes.get(question["id"], [])):
            raise ConflictError(f"{person} has answered already", expected="another person", found=person)
        said = {"pipeline": run.pipeline.name, "stage": stage, "decision": given.decision, "reason": given.reason}
        entry = await self._say(token, run_id, said)
        run = self._open(run_id)
        vote = {"by": entry.actor, "decision": given.decision, "reason": given.reason, "ledger": entry.seq}
        run = run.model_copy(
            update={"votes": {**run.votes, question["id"]: [*run.votes.get(question["id"], []), vote]}}
        )
        self._files.save(run)
        self._nudge(run_id)
        return run

    async def stop(self, run_id: str, person: str, reason: str = "") -> PipelineRun:
        """No further stage begins. Raises ConflictError."""
        run = self._open(run_id)
        run = run.model_copy(update={"stop": f"stopped by {person}" + (f": {reason}" if reason else "")})
        self._files.save(run)
        self._nudge(run_id)
        return run

    def _open(self, run_id: str) -> PipelineRun:
        run = self._files.get(run_id)
        if run.ended:
            raise ConflictError(f"{run_id} has ended", expected="a running pipeline", found=run.status)
        return run

    def _nudge(self, run_id: str) -> None:
        if run_id in self._nudges:
            self._nudges[run_id].set()

    def _drive(self, run_id: str) -> None:
        self._nudges[run_id] = asyncio.Event()
        task = asyncio.create_task(self._run(run_id), name=f"pipeline {run_id}")
        self._tasks[run_id] = task
        task.add_done_callback(lambda _: (self._tasks.pop(run_id, None), self._nudges.pop(run_id, None)))

    async def _run(self, run_id: str) -> None:
        run = self._files.get(run_id)
        graph = compile_pipeline(run.pipeline, STAGE_TEMPLATES, self._bindings, self._saver)
        while True:
            try:
                if await self._go_on(run_id, graph):
                    return
            except (LeaseLostError, Transient) as error:
                log.warning("pipeline.delayed", run=run_id, error=type(error).__name__)
                await self._bindings.services.clock.sleep(RETRY_S)
            except Exception as error:
                log.error("pipeline.failed", run=run_id, trace=format_exc(limit=-3))
                words = "; ".join(error.lines()) if isinstance(error, FirebreakError) else type(error).__name__
                self._end(run_id, "failed", words)
                return

    async def _go_on(self, run_id: str, graph: PipelineGraph) -> bool:
        """One stretch of a run; True when it ended."""
        config = _config(run_id)
        snapshot = await graph.aget_state(config)
        state: PipelineState = snapshot.values or {}  # type: ignore[assignment]
        run = self._project(run_id, state, [dict(i.value) for i in snapshot.interrupts])
        if run.stop:
            self._end(run_id, "stopped", run.stop)
            return True
        if snapshot.values and not snapshot.tasks:
            failed = state.get("failed", "")
            self._end(run_id, "failed" if failed else "completed", failed)
            return True
        given: Any = None
        if not snapshot.values:
            given = _first_state(run)
        elif snapshot.interrupts:
            answers = {i.id: a for i in snapshot.interrupts if (a := await self._answered(run, dict(i.value)))}
            if not answers:
                await self._pause(run_id)
                return False
            given = Command(resume=answers)
        await self._advance(run_id, graph, given)
        return False

    async def _advance(self, run_id: str, graph: PipelineGraph, given: Any) -> None:
        lease = await self._leases.acquire(run_id, self._holder, LEASE_S)
        if lease is None:
            raise LeaseLostError(f"another runner works on {run_id}")
        keeper = asyncio.create_task(self._keep(lease))
        try:
            stream = graph.astream(given, _config(run_id), context=self._knobs, stream_mode="values", durability="sync")
            async for values in stream:
                run = self._project(run_id, values, [])  # type: ignore[arg-type]
                if run.stop:
                    return
        finally:
            keeper.cancel()
            with suppress(FirebreakError, OSError):
                await self._leases.release(lease)

    async def _keep(self, lease: Any) -> None:
        while True:
            await asyncio.sleep(LEASE_S / 3)
            with suppress(FirebreakError, OSError):
                await self._leases.renew(lease, LEASE_S)

    async def _answered(self, run: PipelineRun, question: dict[str, Any]) -> dict[str, Any] | None:
        """What a question's answer is by now; None: it is still open."""
        if approval_id := question.get("approval"):
            approval = await self._bindings.services.guard.approval(str(approval_id))
            expired = approval.expires_at < self._bindings.services.clock.now()
            if approval.status is ApprovalStatus.OPEN and not expired:
                return None
            return {"decision": approval.status.value, "status": approval.status.value, "by": approval.answered_by}
        return gate_answer(question, run.votes.get(str(question["id"]), []), self._bindings.services.clock.now())

    async def _pause(self, run_id: str) -> None:
        nudge = self._nudges[run_id]
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):  # not wait_for: in Python 3.11 it may swallow a cancellation
                await nudge.wait()
        nudge.clear()

    def _project(self, run_id: str, state: PipelineState, waiting: list[dict[str, Any]]) -> PipelineRun:
        known = self._files.get(run_id)
        run = known.model_copy(
            update={
                "stages": list(state.get("stage_results", [])),
                "waiting": waiting,
                "status": "waiting" if waiting else "running",
            }
        )
        if run != known:
            self._files.save(run)
        return run

    def _end(self, run_id: str, status: str, error: str) -> None:
        now = self._bindings.services.clock.now()
        update = {"status": status, "error": error, "ended_at": now, "waiting": []}
        self._files.save(self._files.get(run_id).model_copy(update=update))


def gate_answer(question: Mapping[str, Any], votes: list[dict[str, Any]], now: datetime) -> dict[str, Any] | None:
    """One no decides; so does the quorum of yes, any word about a paused stage, and the time."""
    last = votes[-1] if votes else None
    expires = question.get("expires_at")
    if last is not None and last["decision"] != APPROVE:
        return {"decision": last["decision"], "by": last["by"], "votes": votes}
    if len({v["by"] for v in votes}) >= int(question.get("quorum", 1)):
        return {"decision": APPROVE, "votes": votes}
    if expires and datetime.fromisoformat(str(expires)) <= now:
        return {"decision": EXPIRED, "by": "", "votes": votes}
    return None


def _first_state(run: PipelineRun) -> PipelineState:
    state: PipelineState = {
        "run": run.id,
        "incident": run.id,
        "pipeline_name": run.pipeline.name,
        "inputs": run.inputs,
        "started_at": run.started_at.isoformat(),
        "title": f"pipeline {run.pipeline.name}",
    }
    alerts = run.inputs.get("alerts")
    if isinstance(alerts, list):
        state["alerts"] = [Alert.model_validate(a) for a in alerts]
    return state


def _config(run_id: str) -> Any:
    return {"configurable": {"thread_id": run_id}, "recursion_limit": RECURSION_LIMIT}
