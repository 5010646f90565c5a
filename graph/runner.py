"""The running responder as its faces see it: deliveries and runs behind it, people's questions and orders in front."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agents.chat import Chat
from domain.alert import Change
from domain.errors import ConflictError, NotFoundError, UpstreamError
from domain.events import Event
from domain.guard import Approval, ApprovalAnswer, Guard
from domain.incident import Incident, IncidentStatus
from domain.value import new_id
from graph.deliveries import Deliveries, Normalise
from graph.driver import Driver
from graph.face import ChatPiece, Page, Receipt
from graph.lookout import Lookout
from graph.nodes.intake import service_of
from graph.quiet import Quiet, never_quiet
from graph.records.delivery import Order
from graph.records.opening import Records
from graph.services import Services
from graph.telling import Telling
from graph.threads import Threads
from graph.vigil import Vigil
from graph.watcher import Watcher

PassAnswer = Callable[[str, str, ApprovalAnswer], Any]
"""(person's token, approval id, answer) → awaitable Approval: the action server, as that person."""
PassTaking = Callable[[str, str, str, bool], Awaitable[None]]
"""(person's token, change, reason, taken or given back): the action server, as that person. Raises UpstreamError, AuthError."""
STAND_BACK_S = 3.0
"""How long taking over waits for the run to end before it answers."""
MakeThreads = Callable[[Callable[[Incident], Awaitable[None]]], Awaitable[Threads]]
"""Given how an incident is saved, the threads over an opened checkpointer; called once, at the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What the runner needs beyond the graph's services."""

    normalise: Normalise
    pass_answer: PassAnswer
    pass_taking: PassTaking
    chat: Chat
    health: Callable[[], Any]
    """Awaitable {name: {ok, detail}}."""
    quiet: Quiet = never_quiet


class IncidentRunner:
    """Implements graph.face.Responder. `start` resumes whatever was unfinished; `close` stops without losing anything."""

    def __init__(self, *, services: Services, records: Records, threads: MakeThreads, outside: Outside) -> None:
        self._services = services
        self._records = records
        self._outside = outside
        self._make_threads = threads
        self._telling = Telling(records, services.clock)
        self._driver = Driver(
            incidents=records.incidents,
            telling=self._telling,
            guard=services.guard,
            clock=services.clock,
            lookout=Lookout(services, self._telling.remarked),
        )
        self._deliveries = Deliveries(
            records=records,
            telling=self._telling,
            normalise=outside.normalise,
            inventory=services.inventory,
            clock=services.clock,
            drive=self._driver.drive,
            quiet=outside.quiet,
        )
        self._watcher = Watcher(
            crew=services.crew,
            clock=services.clock,
            unfinished=records.incidents.unfinished,
            remark=self._telling.remarked,
            charge=services.charge,
            held=services.held,
        )
        self._vigil = Vigil(
            incidents=records.incidents, probes=services.probes, clock=services.clock, reopen=self.reopen
        )
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Take up waiting deliveries and unfinished incidents."""
        await self._driver.start(await self._make_threads(self._telling.saved))
        self._tasks = [
            asyncio.create_task(self._deliveries.take_in_forever(), name="intake"),
            asyncio.create_task(self._watcher.watch_forever(), name="overwatch"),
            asyncio.create_task(self._vigil.watch_forever(), name="vigil"),
        ]

    async def close(self) -> None:
        """Stop all tasks where they are; the checkpoints have everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._driver.close()
        self._records.close()

    @property
    def telling(self) -> Telling:
        """Where facts from elsewhere are kept and told."""
        return self._telling

    async def submit_delivery(self, source: str, headers: Mapping[str, str], body: bytes) -> str:
        """See the face."""
        return await self._deliveries.submit(source, headers, body)

    async def delivery(self, delivery_id: str) -> list[Receipt]:
        """See the face."""
        return await self._records.inbox.receipts(delivery_id)

    async def incidents(self, *, status: str | None = None, limit: int = 50, cursor: str | None = None) -> Page:
        """See the face."""
        return await self._records.incidents.page(status=status, limit=max(1, min(limit, 500)), cursor=cursor)

    async def incident(self, incident_id: str) -> Incident:
        """See the face."""
        return await self._records.incidents.get(incident_id)

    async def output(self, incident_id: str, sha256: str) -> dict[str, Any]:
        """See the face."""
        record = await self._records.incidents.get(incident_id)
        if sha256 not in {p.sha256 for p in record.outputs}:
            raise NotFoundError(
                f"{incident_id} left no such output",
                expected="the full SHA-256 of one of its outputs",
                found=sha256[:80],
            )
        return await self._services.artifacts.get(sha256)

    async def stop(self, incident_id: str, person: str, reason: str = "") -> Incident:
        """See the face."""
        return await self._order(
            incident_id, Order(kind="stop", person=person, reason=reason, at=self._services.clock.now())
        )

    async def take(self, incident_id: str, person: str, reason: str = "", *, person_token: str) -> Incident:
        """See the face. An action server that does not answer dispatches nothing either; the run is told in any case."""
        await self._open(incident_id)
        with suppress(UpstreamError):
            await self._outside.pass_taking(person_token, incident_id, reason, True)
        order = Order(kind="take", person=person, reason=reason, at=self._services.clock.now())
        await self._order(incident_id, order)
        return await self._stood_back(incident_id)

    async def give_back(self, incident_id: str, person: str, reason: str = "", *, person_token: str) -> Incident:
        """See the face."""
        record = await self._records.incidents.get(incident_id)
        if record.status is not IncidentStatus.TAKEN:
            raise ConflictError(
                f"nobody has taken {incident_id} over",
                expected="an incident with status taken",
                found=record.status.value,
                hint="a running incident is taken with `firebreak incident take`; a closed one is re-opened",
            )
        await self._outside.pass_taking(person_token, incident_id, reason, False)
        return await self.reopen(incident_id, person, f"given back{': ' + reason if reason else ''}")

    async def _stood_back(self, incident_id: str) -> Incident:
        """The record when the run has ended, or as it is after a few seconds: what runs now ends by itself."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STAND_BACK_S):
                while not (await self._records.incidents.get(incident_id)).status.terminal:
                    await asyncio.sleep(0.05)
        return await self._records.incidents.get(incident_id)

    async def _open(self, incident_id: str) -> Incident:
        record = await self._records.incidents.get(incident_id)
        if record.status.terminal:
            raise ConflictError(
                f"{incident_id} is closed", expected="a running incident", found=record.status.value, hint="reopen it"
            )
        return record

    async def _order(self, incident_id: str, order: Order) -> Incident:
        await self._open(incident_id)
        await self._records.incidents.give_order(incident_id, order)
        await self._telling.remarked(
            incident_id, f"incident.{'taken' if order.kind == 'take' else 'stopped'}", order.halt
        )
        self._driver.ordered(incident_id)
        return await self._records.incidents.get(incident_id)

    async def reopen(self, incident_id: str, person: str, reason: str = "") -> Incident:
        """See the face."""
        old = await self._records.incidents.get(incident_id)
        if not old.status.terminal:
            raise ConflictError(f"{incident_id} is still open", expected="a closed incident", found=old.status.value)
        fresh = successor(old, self._services.clock.now())
        pairs = [(a, service_of([a], self._services.inventory)) for a in old.alerts]
        await self._telling.opened(fresh, pairs, [])
        why = f": {reason}" if reason else ""
        await self._telling.remarked(fresh.id, "incident.reopened", f"{person} re-opened {old.id}{why}")
        self._driver.drive(fresh.id)
        return await self._records.incidents.get(fresh.id)

    async def changes(self, since: datetime, until: datetime) -> list[Change]:
        """See the face."""
        return await self._services.changes((since.timestamp(), until.timestamp()))

    async def approvals(self, *, open_only: bool = False, incident: str | None = None) -> list[Approval]:
        """See the face."""
        guard: Guard = self._services.guard
        return await guard.approvals(open_only=open_only, change=incident)

    async def answer_approval(self, approval_id: str, answer: ApprovalAnswer, person_token: str) -> Approval:
        """See the face."""
        approval: Approval = await self._outside.pass_answer(person_token, approval_id, answer)
        self._driver.nudge(approval.change)
        return approval

    async def chat(self, text: str, incident_id: str | None = None) -> AsyncIterator[ChatPiece]:
        """See the face."""
        incident = await self._records.incidents.get(incident_id) if incident_id else None
        words = f"{text} {incident.title if incident else ''}"
        passages = await self._services.retriever.search(words, limit=3)
        reply = await self._outside.chat.reply(text, incident, await self._records.incidents.rows(10), passages)
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
        return self._telling.subscribe(incident_id)

    async def health(self) -> dict[str, Any]:
        """See the face."""
        found: dict[str, Any] = await self._outside.health()
        return found


def successor(old: Incident, now: datetime) -> Incident:
    """A new incident about the same alerts, which refers to the old one and remembers nothing of its run."""
    fresh_id = new_id("inc")
    return Incident(
        id=fresh_id,
        thread_id=fresh_id,
        run_id=new_id("run"),
        title=old.title,
        status=IncidentStatus.OPEN,
        severity=old.severity,
        opened_at=now,
        service=old.service,
        group_key=old.group_key,
        alerts=old.alerts,
        reopens=old.id,
    )
