"""The running responder: deliveries become incidents, incidents become runs, people are heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from traceback import format_exc
from typing import Any, Protocol

import structlog
from langgraph.types import Command

from agents.chat import Chat
from domain.alert import Alert, Change
from domain.errors import (
    ConflictError,
    FirebreakError,
    IntakeError,
    LeaseLostError,
    Transient,
    UpstreamError,
)
from domain.events import Event
from domain.guard import Approval, ApprovalAnswer, ApprovalStatus, Guard
from domain.incident import Incident, IncidentStatus, TimelineEntry
from domain.inventory import Inventory
from domain.value import new_id
from graph.bus import EventBus
from graph.face import ChatPiece, Page, Receipt
from graph.nodes.intake import service_of
from graph.records.delivery import Delivery, Order
from graph.records.projection import project
from graph.records.sqlite import SqliteRecords
from graph.services import Services
from graph.state import State
from graph.threads import Position, Threads
from tools.intake.route import Route, group_of, route

log = structlog.get_logger(__name__)

POLL_S = 1.0
"""How often an open approval is looked up, for answers that were given elsewhere."""
ATTEMPTS = 5
"""Failures of one run in a row before a person is told."""
LATE = timedelta(seconds=60)
"""An alert about something that began before an incident closed belongs to it for this long after; also the storm's window."""
_SECRET_HEADERS = ("authorization", "cookie", "webhook-signature", "x-api-key")


class Normalised(Protocol):
    """What the normaliser of a source returns."""

    @property
    def alerts(self) -> list[Alert]: ...

    @property
    def changes(self) -> list[Change]: ...


Normalise = Callable[[str, Mapping[str, str], bytes, datetime, str], Normalised]
"""(source, headers, body, received_at, delivery id); pure; raises IntakeError."""
PassAnswer = Callable[[str, str, ApprovalAnswer], Any]
"""(person's token, approval id, answer) → awaitable Approval: the action server, as that person."""


MakeThreads = Callable[[Callable[[Incident], Awaitable[None]]], Awaitable[Threads]]
"""Given how an incident is saved, the threads over an opened checkpointer; called once, at the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What the runner needs beyond the graph's services."""

    normalise: Normalise
    pass_answer: PassAnswer
    chat: Chat
    health: Callable[[], Any]
    """Awaitable {name: {ok, detail}}."""


class IncidentRunner:
    """Implements graph.face.Responder. `start` resumes whatever was unfinished; `close` stops without losing anything."""

    def __init__(self, *, services: Services, records: SqliteRecords, threads: MakeThreads, outside: Outside) -> None:
        self._services = services
        self._records = records
        self._outside = outside
        self._bus = EventBus()
        self._neighbours = neighbours(services.inventory)
        self._make_threads = threads
        self._threads: Threads
        self._deliveries = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._nudges: dict[str, asyncio.Event] = {}
        self._intake: asyncio.Task[None] | None = None

    # -- life -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take up waiting deliveries and unfinished incidents."""
        self._threads = await self._make_threads(self._save)
        for incident_id in await self._records.unfinished():
            self._drive(incident_id)
        self._deliveries.set()
        self._intake = asyncio.create_task(self._take_in_forever(), name="intake")

    async def close(self) -> None:
        """Stop all tasks where they are; the checkpoints have everything."""
        tasks = [*self._tasks.values(), *([self._intake] if self._intake else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._records.close()

    # -- deliveries -----------------------------------------------------------------------------------------------

    async def submit_delivery(self, source: str, headers: Mapping[str, str], body: bytes) -> str:
        """See the face. Normalising is pure and quick; it refuses what is malformed before anything is stored."""
        kept = {k.lower(): v for k, v in headers.items() if k.lower() not in _SECRET_HEADERS}
        delivery = Delivery(
            id=new_id("dlv"), source=source, headers=kept, body=body, received_at=self._services.clock.now()
        )
        self._normalise(delivery)
        await self._records.store_delivery(delivery)
        self._deliveries.set()
        return delivery.id

    def _normalise(self, delivery: Delivery) -> Normalised:
        return self._outside.normalise(
            delivery.source, delivery.headers, delivery.body, delivery.received_at, delivery.id
        )

    async def delivery(self, delivery_id: str) -> list[Receipt]:
        """See the face."""
        return await self._records.receipts(delivery_id)

    async def _take_in_forever(self) -> None:
        while True:
            await self._deliveries.wait()
            self._deliveries.clear()
            for delivery in await self._records.waiting_deliveries():
                try:
                    await self._take_in(delivery)
                except Exception:
                    log.error("delivery.failed", delivery=delivery.id, trace=format_exc(limit=-3))
                    await self._records.finish_delivery(
                        delivery.id, [self._malformed(delivery, "it could not be taken in")]
                    )

    async def _take_in(self, delivery: Delivery) -> None:
        try:
            found = self._normalise(delivery)
        except IntakeError as error:
            await self._records.finish_delivery(delivery.id, [self._malformed(delivery, error.message)])
            return
        receipts = [self._change_receipt(delivery, change) for change in found.changes]
        for alert in found.alerts:
            receipt = await self._group(alert)
            if receipt is not None:
                receipts.append(receipt)
        await self._records.finish_delivery(delivery.id, receipts)

    async def _group(self, alert: Alert) -> Receipt | None:
        now = self._services.clock.now()
        service = service_of([alert], self._services.inventory)
        alert = alert.model_copy(update={"service": service})
        way = route(
            alert,
            await self._records.related(alert, LATE),
            now=now,
            neighbours=self._neighbours,
            opened_lately=await self._records.opened_since(now - LATE),
        )
        if way.rule == "opened":
            await self._open(alert, service, way, now)
            return None
        if way.incident is not None:
            await self._records.join(way.incident, alert, service)
            if way.rule != "duplicate":
                await self._remark(way.incident, f"alert.{way.rule}", f"{alert.source}: {alert.title} ({way.text})")
        return _receipt(alert, way, way.incident, now)

    async def _open(self, alert: Alert, service: str, way: Route, now: datetime) -> Incident:
        incident_id = new_id("inc")
        incident = Incident(
            id=incident_id,
            thread_id=incident_id,
            run_id=new_id("run"),
            title=alert.title,
            status=IncidentStatus.OPEN,
            severity=alert.severity,
            opened_at=now,
            service=service,
            group_key=group_of(alert),
            alerts=[alert],
        )
        receipts = [_receipt(alert, way, incident_id, now)]
        self._bus.publish(await self._records.open(incident, [(alert, service)], receipts))
        self._drive(incident_id)
        return incident

    def _malformed(self, delivery: Delivery, text: str) -> Receipt:
        now = self._services.clock.now()
        return Receipt(delivery_id=delivery.id, identity="", episode_id="", rule="malformed", text=text, at=now)

    def _change_receipt(self, delivery: Delivery, change: Change) -> Receipt:
        now = self._services.clock.now()
        text = f"{change.kind} of {change.service or 'the system'} noted"
        return Receipt(delivery_id=delivery.id, identity=change.id, episode_id="", rule="change", text=text, at=now)

    # -- driving runs ---------------------------------------------------------------------------------------------

    def _drive(self, incident_id: str) -> None:
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
        failures = 0
        while True:
            try:
                if await self._go_on(incident_id):
                    return
                failures = 0
            except LeaseLostError:
                log.warning("run.elsewhere", incident=incident_id)
                await self._services.clock.sleep(5.0)
            except Transient as error:
                log.warning("run.delayed", incident=incident_id, error=type(error).__name__)
                await self._services.clock.sleep(2.0)
            except Exception as error:
                failures += 1
                log.error("run.failed", incident=incident_id, failures=failures, trace=format_exc(limit=-3))
                await self._failed(incident_id, error, failures)
                await self._services.clock.sleep(min(10.0, 1.0 * 2**failures))

    async def _go_on(self, incident_id: str) -> bool:
        """One stretch of a run; True when it ended."""
        position = await self._threads.position(incident_id)
        if position.ended:
            await self._save(project(position.state))
            return True
        order = await self._records.order(incident_id)
        if order is not None and position.begun and not position.state.get("halt"):
            await self._threads.halt(incident_id, order.halt)
            return False
        if not position.begun:
            await self._threads.advance(incident_id, await self._first_input(incident_id, order))
        elif position.waiting:
            answer = await self._await_person(incident_id, position)
            if answer is not None:
                await self._threads.advance(incident_id, answer)
        else:
            await self._threads.advance(incident_id, None)
        return False

    async def _first_input(self, incident_id: str, order: Order | None) -> State:
        record = await self._records.get(incident_id)
        return State(
            incident=incident_id,
            run=record.run_id,
            title=record.title,
            service=record.service,
            alerts=await self._records.alerts(incident_id),
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
            if await self._records.order(incident_id) is not None:
                return None
            approval = await self._answered(approval_id)
            if approval is not None:
                text = f"{approval.call.action} on {approval.call.target}: {approval.status.value}"
                by = ", ".join(approval.answered_by)
                await self._remark(
                    incident_id, "approval.answered", f"{text}{' by ' + by if by else ''}", approval=approval.id
                )
                return Command(resume={interrupt_id: _as_answer(approval)})
            try:
                await asyncio.wait_for(nudge.wait(), POLL_S)
            except TimeoutError:
                continue

    async def _answered(self, approval_id: str | None) -> Approval | None:
        if approval_id is None:
            return None
        try:
            approval = await self._services.guard.approval(approval_id)
        except UpstreamError as error:
            log.warning("approval.unreadable", approval=approval_id, error=error.message)
            return None
        expired = approval.status is ApprovalStatus.OPEN and approval.expires_at < self._services.clock.now()
        if expired:
            return approval.model_copy(update={"status": ApprovalStatus.EXPIRED})
        return None if approval.status is ApprovalStatus.OPEN else approval

    async def _failed(self, incident_id: str, error: Exception, failures: int) -> None:
        words = error.message if isinstance(error, FirebreakError) else type(error).__name__
        try:
            await self._remark(incident_id, "run.failed", f"the run failed ({failures} of {ATTEMPTS}): {words}")
            if failures >= ATTEMPTS:
                await self._threads.halt(incident_id, f"the run failed {failures} times: {words}")
        except Exception:
            log.error("run.failure_unrecorded", incident=incident_id, trace=format_exc(limit=-3))

    async def _save(self, incident: Incident) -> None:
        self._bus.publish(await self._records.save(incident))

    async def _remark(self, incident_id: str, event: str, text: str, **data: Any) -> None:
        entry = TimelineEntry(at=self._services.clock.now(), event=event, text=text, data=data)
        self._bus.publish(await self._records.remark(incident_id, entry))

    # -- what faces ask -------------------------------------------------------------------------------------------

    async def incidents(self, *, status: str | None = None, limit: int = 50, cursor: str | None = None) -> Page:
        """See the face."""
        return await self._records.page(status=status, limit=max(1, min(limit, 500)), cursor=cursor)

    async def incident(self, incident_id: str) -> Incident:
        """See the face."""
        return await self._records.get(incident_id)

    async def stop(self, incident_id: str, person: str, reason: str = "") -> Incident:
        """See the face."""
        return await self._order(
            incident_id, Order(kind="stop", person=person, reason=reason, at=self._services.clock.now())
        )

    async def take(self, incident_id: str, person: str, reason: str = "") -> Incident:
        """See the face."""
        return await self._order(
            incident_id, Order(kind="take", person=person, reason=reason, at=self._services.clock.now())
        )

    async def _order(self, incident_id: str, order: Order) -> Incident:
        record = await self._records.get(incident_id)
        if record.status.terminal:
            raise ConflictError(
                f"{incident_id} is closed", expected="a running incident", found=record.status.value, hint="reopen it"
            )
        await self._records.give_order(incident_id, order)
        await self._remark(incident_id, f"incident.{'taken' if order.kind == 'take' else 'stopped'}", order.halt)
        self._threads.ask_to_halt(incident_id)
        if incident_id in self._nudges:
            self._nudges[incident_id].set()
        self._drive(incident_id)
        return await self._records.get(incident_id)

    async def reopen(self, incident_id: str, person: str, reason: str = "") -> Incident:
        """See the face."""
        old = await self._records.get(incident_id)
        if not old.status.terminal:
            raise ConflictError(f"{incident_id} is still open", expected="a closed incident", found=old.status.value)
        fresh_id, now = new_id("inc"), self._services.clock.now()
        fresh = old.model_copy(
            update={
                **{
                    k: []
                    for k in ("plans", "judgements", "results", "verifications", "approvals", "confidence_history")
                },
                "id": fresh_id,
                "thread_id": fresh_id,
                "run_id": new_id("run"),
                "reopens": old.id,
                "status": IncidentStatus.OPEN,
                "opened_at": now,
                "closed_at": None,
                "outcome": "",
                "phase": "BOOTSTRAP",
                "diagnosis": None,
                "brief": None,
                "timeline": [],
            }
        )
        pairs = [(a, service_of([a], self._services.inventory)) for a in old.alerts]
        self._bus.publish(await self._records.open(fresh, pairs, []))
        why = f": {reason}" if reason else ""
        await self._remark(fresh_id, "incident.reopened", f"{person} re-opened {old.id}{why}")
        self._drive(fresh_id)
        return await self._records.get(fresh_id)

    async def approvals(self, *, open_only: bool = False, incident: str | None = None) -> list[Approval]:
        """See the face."""
        guard: Guard = self._services.guard
        return await guard.approvals(open_only=open_only, change=incident)

    async def answer_approval(self, approval_id: str, answer: ApprovalAnswer, person_token: str) -> Approval:
        """See the face."""
        approval: Approval = await self._outside.pass_answer(person_token, approval_id, answer)
        if approval.change in self._nudges:
            self._nudges[approval.change].set()
        return approval

    async def chat(self, text: str, incident_id: str | None = None) -> AsyncIterator[ChatPiece]:
        """See the face."""
        incident = await self._records.get(incident_id) if incident_id else None
        words = f"{text} {incident.title if incident else ''}"
        passages = await self._services.retriever.search(words, limit=3)
        reply = await self._outside.chat.reply(text, incident, await self._records.rows(10), passages)
        fell_back = f" (instead of {reply.fell_back})" if reply.fell_back else ""
        yield ChatPiece(kind="source", text=f"{reply.by}{fell_back}")
        for sentence in reply.sentences:
            yield ChatPiece(kind="sentence", text=sentence.text, evidence=sentence.evidence)
        for dropped in reply.unsupported:
            yield ChatPiece(kind="unsupported", text=dropped)
        for suggestion in reply.suggestions:
            yield ChatPiece(kind="suggestion", text=suggestion)
        yield ChatPiece(kind="done")

    def subscribe(self, incident_id: str | None = None) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """See the face."""
        return self._bus.subscribe(incident_id)

    async def health(self) -> dict[str, Any]:
        """See the face."""
        found: dict[str, Any] = await self._outside.health()
        return found


def neighbours(inventory: Inventory) -> dict[str, frozenset[str]]:
    """Service → everything that it reaches or that reaches it."""
    reached_by = {name: set(inventory.dependants(name)) for name in inventory.names()}
    return {
        name: frozenset(reached_by[name] | {other for other in reached_by if name in reached_by[other]})
        for name in reached_by
    }


def _receipt(alert: Alert, way: Route, incident: str | None, now: datetime) -> Receipt:
    return Receipt(
        delivery_id=alert.delivery_id,
        identity=alert.identity,
        episode_id=alert.episode_id,
        rule=way.rule,
        incident=incident,
        text=way.text,
        at=now,
    )


def _as_answer(approval: Approval) -> dict[str, Any]:
    return {
        "approval": approval.id,
        "status": approval.status.value,
        "by": approval.answered_by,
        "reason": approval.reason,
    }
