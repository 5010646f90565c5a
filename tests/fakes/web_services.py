"""In-memory ports for the face: they behave like the real ones, keep everything in lists, and can be told to fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from domain.alert import Change
from domain.bundle import LogLine, Series, Span, Window
from domain.clock import Clock, ManualClock
from domain.drills import DrillRun
from domain.errors import AuthError, ConflictError, FirebreakError, NotFoundError
from domain.events import Event
from domain.guard import (
    Approval,
    ApprovalAnswer,
    ApprovalStatus,
    Decision,
    EntriesFound,
    EntrySearch,
    GuardStatus,
    LedgerEntry,
    LedgerVerification,
)
from domain.incident import Incident, IncidentStatus
from domain.retrieval import Passage
from governance.guard.face import FreezeReport, UnwindItem, UnwindReport
from governance.ledger import search
from governance.ledger.chain import Row
from governance.shadow import Agreement, Shadowed
from graph.face import ChatPiece, Page, Receipt
from tests.fakes import web_story as story
from tests.fakes.web_agents import SceneAgents
from web.drills import FaultRow
from web.ports import Fault, LedgerPage, Ports, SliRow

OPERATOR = "operator-token-for-tests"
INTAKE = "intake-token-for-tests"
CHAOS = "chaos-token-for-tests"


def write_secrets(home: Path) -> None:
    """What `firebreak up` would have made."""
    folder = home / "secrets"
    folder.mkdir(parents=True, exist_ok=True)
    for name, token in (("operator", OPERATOR), ("intake", INTAKE), ("chaos", CHAOS)):
        (folder / f"{name}.token").write_text(token + "\n")


class FakeResponder:
    """`graph.face.Responder` over a dictionary."""

    def __init__(
        self, incidents: Sequence[Incident] = (), approvals: Sequence[Approval] = (), clock: Clock | None = None
    ) -> None:
        self.clock = clock or ManualClock(story.T0)
        self.records: dict[str, Incident] = {i.id: i for i in incidents}
        self.asked: dict[str, Approval] = {a.id: a for a in approvals}
        self.changed: list[Change] = []
        self.contents: dict[str, dict[str, Any]] = {}
        """Digest of an output → its content."""
        self.deliveries: list[tuple[str, dict[str, str], bytes]] = []
        self.deeds: list[tuple[str, str, str, str]] = []
        self.tokens: list[str] = []
        self.failure: FirebreakError | None = None
        self.readers: list[tuple[str | None, asyncio.Queue[Event]]] = []
        self.dependencies: dict[str, Any] = {
            "store": {"ok": True, "detail": "incidents.db, 7 incidents"},
            "checkpoints": {"ok": True, "detail": "embedded redis, append-only"},
            "action_server": {"ok": True, "detail": "http://127.0.0.1:18701"},
            "telemetry": {"ok": True, "detail": "newest sample 0.8 s old"},
            "model": {"ok": None, "detail": "none configured: rules answer"},
        }

    def _may_fail(self) -> None:
        if self.failure is not None:
            raise self.failure

    async def submit_delivery(self, source: str, headers: Mapping[str, str], body: bytes) -> str:
        self._may_fail()
        self.deliveries.append((source, dict(headers), body))
        return f"del-{len(self.deliveries)}"

    async def delivery(self, delivery_id: str) -> list[Receipt]:
        if delivery_id not in {f"del-{i + 1}" for i in range(len(self.deliveries))}:
            raise NotFoundError("There is no such delivery.", found=delivery_id)
        return [
            Receipt(
                delivery_id=delivery_id, identity="fp", episode_id="ep", rule="opened", incident=story.ID, at=story.T0
            )
        ]

    async def incidents(self, *, status: str | None = None, limit: int = 50, cursor: str | None = None) -> Page:
        self._may_fail()
        rows = sorted((i.row() for i in self.records.values()), key=lambda r: r.opened_at, reverse=True)
        if status:
            rows = [r for r in rows if r.status == status or (status == "open" and not r.status.terminal)]
        start = int(cursor) if cursor and cursor.isdecimal() else 0
        following = str(start + limit) if start + limit < len(rows) else None
        return Page(incidents=rows[start : start + limit], next=following)

    async def incident(self, incident_id: str) -> Incident:
        self._may_fail()
        if incident_id not in self.records:
            raise NotFoundError("There is no such incident.", found=incident_id)
        return self.records[incident_id]

    async def output(self, incident_id: str, sha256: str) -> dict[str, Any]:
        for pointer in (await self.incident(incident_id)).outputs:
            if pointer.sha256 == sha256:
                return {"kind": pointer.kind, "content": self.contents.get(sha256, {})}
        raise NotFoundError("There is no such output.", found=sha256)

    async def stop(self, incident_id: str, person: str, reason: str = "") -> Incident:
        return await self._deed("stop", incident_id, person, reason, IncidentStatus.ESCALATED)

    async def take(self, incident_id: str, person: str, reason: str = "", *, person_token: str) -> Incident:
        return await self._deed("take", incident_id, person, reason, IncidentStatus.TAKEN)

    async def give_back(self, incident_id: str, person: str, reason: str = "", *, person_token: str) -> Incident:
        return await self.reopen(incident_id, person, reason)

    async def reopen(self, incident_id: str, person: str, reason: str = "") -> Incident:
        old = await self._deed("reopen", incident_id, person, reason, None)
        new = story.fresh().model_copy(update={"id": f"{old.id}-2", "reopens": old.id})
        self.records[new.id] = new
        return new

    async def _deed(
        self, deed: str, incident_id: str, person: str, reason: str, status: IncidentStatus | None
    ) -> Incident:
        incident = await self.incident(incident_id)
        if status is not None and incident.status.terminal:
            raise ConflictError("The incident is closed.", expected="an open one", found=incident.status)
        self.deeds.append((deed, incident_id, person, reason))
        if status is not None:
            incident = incident.model_copy(update={"status": status})
            self.records[incident_id] = incident
            self.publish(incident_id, f"dev.firebreak.incident.{deed}", f"{deed} by {person}")
        return incident

    async def changes(self, since: datetime, until: datetime) -> list[Change]:
        return [c for c in self.changed if since <= c.time <= until]

    async def approvals(self, *, open_only: bool = False, incident: str | None = None) -> list[Approval]:
        self._may_fail()
        return [
            a
            for a in self.asked.values()
            if (not open_only or a.status is ApprovalStatus.OPEN) and (incident is None or a.change == incident)
        ]

    async def answer_approval(self, approval_id: str, answer: ApprovalAnswer, person_token: str) -> Approval:
        self.tokens.append(person_token)
        approval = self.asked.get(approval_id)
        if approval is None:
            raise NotFoundError("There is no such approval.", found=approval_id)
        if person_token != OPERATOR:
            raise AuthError("This token may not approve.", code="auth.forbidden")
        if approval.status is not ApprovalStatus.OPEN:
            raise ConflictError("It was answered already.", expected="open", found=f"{approval.status} by operator")
        states = {
            Decision.APPROVE: ApprovalStatus.APPROVED,
            Decision.MODIFY: ApprovalStatus.MODIFIED,
            Decision.REJECT: ApprovalStatus.REJECTED,
            Decision.ESCALATE: ApprovalStatus.ESCALATED,
            Decision.TERMINATE: ApprovalStatus.TERMINATED,
        }
        answered = approval.model_copy(
            update={
                "status": states[answer.decision],
                "answered_by": ["operator"],
                "answered_at": self.clock.now(),
                "reason": answer.reason,
            }
        )
        self.asked[approval_id] = answered
        if answer.decision is Decision.APPROVE and approval.change in self.records:
            self.records[approval.change] = story.resolved().model_copy(update={"id": approval.change})
            self.publish(approval.change, "dev.firebreak.step.applied", "scale_pool on api: succeeded")
        return answered

    async def chat(self, text: str, incident_id: str | None = None) -> AsyncIterator[ChatPiece]:
        self._may_fail()
        yield ChatPiece(kind="source", text="rules")
        yield ChatPiece(
            kind="sentence",
            text="Before the alert, the last change was a deploy of frontend, 25 minutes earlier.",
            evidence=["E7"],
        )
        yield ChatPiece(kind="sentence", text="It does not explain a full pool at api.", evidence=["E2", "E5"])
        yield ChatPiece(kind="sentence", text="Somebody probably ran a report.")
        yield ChatPiece(kind="suggestion", text="What speaks against api as the cause?")
        yield ChatPiece(kind="done")

    @asynccontextmanager
    async def subscribe(self, incident_id: str | None = None) -> AsyncIterator[AsyncIterator[Event]]:
        queue: asyncio.Queue[Event] = asyncio.Queue()
        reader = (incident_id, queue)
        self.readers.append(reader)

        async def events() -> AsyncIterator[Event]:
            while True:
                yield await queue.get()

        try:
            yield events()
        finally:
            self.readers.remove(reader)

    def publish(self, incident_id: str, kind: str, text: str) -> None:
        """Tell all subscribers."""
        event = Event(
            id=f"evt-{len(self.deeds)}", type=kind, subject=incident_id, time=self.clock.now(), data={"text": text}
        )
        for wanted, queue in self.readers:
            if wanted in (None, incident_id):
                queue.put_nowait(event)

    async def health(self) -> dict[str, Any]:
        return self.dependencies


class FakeDoor:
    """`web.ports.Door` over a list."""

    def __init__(self, entries: Sequence[LedgerEntry] = ()) -> None:
        self.entries = list(entries)
        self.state = GuardStatus(policy="sandbox@5c1f0a")
        self.tokens: list[str] = []
        self.failure: FirebreakError | None = None
        self.broken_at: int | None = None
        self.open_approvals = 0
        self.proposals: dict[str, Shadowed] = {}

    async def shadowed(self, since: datetime) -> list[Shadowed]:
        return [one for one in self.proposals.values() if one.at >= since]

    async def label_shadow(self, person_token: str, proposal: str, agreement: Agreement) -> Shadowed:
        self.tokens.append(person_token)
        if proposal not in self.proposals:
            raise NotFoundError("There is no such proposal.", found=proposal)
        found = self.proposals[proposal].model_copy(update={"label": agreement, "labelled_by": "operator"})
        self.proposals[proposal] = found
        return found

    async def sign_in_oidc(self, id_token: str, nonce: str) -> str:
        self.tokens.append(f"{id_token} {nonce}")
        return OPERATOR

    async def sign_in_proxy(self, name: str) -> str:
        self.tokens.append(name)
        return OPERATOR

    async def status(self) -> GuardStatus:
        if self.failure is not None:
            raise self.failure
        head = self.entries[-1].hash if self.entries else ""
        return self.state.model_copy(
            update={"ledger_entries": len(self.entries), "ledger_head": head, "open_approvals": self.open_approvals}
        )

    async def ledger(self, *, after: int = -1, limit: int = 50, change: str | None = None) -> LedgerPage:
        rows = [e for e in self.entries if e.seq > after and (change is None or e.change == change)]
        page = rows[:limit]
        return LedgerPage(entries=page, next=page[-1].seq if len(rows) > limit else None)

    async def search(self, wanted: EntrySearch) -> EntriesFound:
        before = min(wanted.before, len(self.entries))
        looked = [e for e in self.entries if search.lowest(wanted, before) <= e.seq < before]
        rows = [e for e in reversed(looked) if search.matches(_row(e), wanted)]
        return search.found(rows[: wanted.limit], wanted, before)

    async def verify(self) -> LedgerVerification:
        problem = "hash does not match its content" if self.broken_at else ""
        head = self.entries[-1].hash if self.entries else ""
        return LedgerVerification(
            entries=len(self.entries),
            verified=self.broken_at is None,
            broken_at=self.broken_at,
            problem=problem,
            head=head,
        )

    async def freeze(self, person_token: str, reason: str) -> FreezeReport:
        self.tokens.append(person_token)
        self.state = self.state.model_copy(update={"frozen": True, "frozen_by": "operator", "frozen_at": story.at(50)})
        return FreezeReport(status=await self.status(), quiet_s=0.4)

    async def resume(self, person_token: str, reason: str) -> GuardStatus:
        self.tokens.append(person_token)
        self.state = self.state.model_copy(update={"frozen": False, "frozen_by": "", "frozen_at": None})
        return await self.status()

    async def unwindable(self, person_token: str) -> Sequence[UnwindItem]:
        return []

    async def unwind(self, person_token: str) -> UnwindReport:
        self.tokens.append(person_token)
        return UnwindReport(saga="saga-1", receipts=[], complete=True)


def _row(entry: LedgerEntry) -> Row:
    plain = entry.model_dump(mode="json")
    return Row(**{**plain, "content": json.dumps(entry.content)})


class FakeDrills:
    """`web.ports.DrillRoom` over a list."""

    def __init__(self, runs: Sequence[DrillRun] = ()) -> None:
        self.known = list(runs)
        self.started: list[str | None] = []
        self.failure: FirebreakError | None = None

    async def start(self, fault: str | None = None, *, seed: int | None = None) -> str:
        if any(not d.state.terminal for d in self.known):
            raise ConflictError("A drill is running.", expected="none", found=self.known[0].id)
        self.started.append(fault)
        return "drl-new"

    async def get(self, drill_id: str) -> DrillRun:
        for run in self.known:
            if run.id == drill_id:
                return run
        raise NotFoundError("There is no such drill.", found=drill_id)

    async def runs(self) -> list[DrillRun]:
        if self.failure is not None:
            raise self.failure
        return list(self.known)

    async def faults(self) -> Sequence[Fault]:
        return [
            FaultRow(name="pool_exhaustion", title="Connection pool exhausted", service="api", abstain=False),
            FaultRow(name="disk_full", title="Disk full", service="api", abstain=False),
            FaultRow(name="noop", title="Nothing at all", service="", abstain=True),
        ]

    async def kill(self, reason: str) -> dict[str, Any]:
        return {"restored": []}

    async def resume(self) -> None:
        return None


class FakeTelemetry:
    """`domain.telemetry.Telemetry` over a list of series."""

    def __init__(self, series: Sequence[Series] = ()) -> None:
        self.rows = list(series)

    async def series(
        self, window: Window, *, services: Sequence[str] = (), metrics: Sequence[str] = ()
    ) -> list[Series]:
        return [s for s in self.rows if not services or s.service in services]

    async def logs(self, window: Window, *, services: Sequence[str] = (), limit: int = 2000) -> list[LogLine]:
        return []

    async def spans(self, window: Window, *, services: Sequence[str] = (), limit: int = 2000) -> list[Span]:
        return []

    async def changes(self, window: Window) -> list[Change]:
        return []


class FakeSlis:
    """`web.ports.SliBoard` over a list."""

    def __init__(self, rows: Sequence[SliRow] = ()) -> None:
        self.rows = list(rows)

    async def slis(self) -> Sequence[SliRow]:
        return self.rows


class FakeRetriever:
    """`domain.retrieval.Retriever` that finds one passage."""

    async def search(self, query: str, *, limit: int = 5, kinds: tuple[str, ...] = ()) -> list[Passage]:
        return [
            Passage(
                id="runbooks/pool-exhaustion#tell-apart",
                document="runbooks/pool-exhaustion/SKILL.md",
                title="Connection pool exhausted",
                heading="How to tell it apart",
                text=f"Found for {query}: when the pool is full but the database is idle, look for clients.",
                score=0.9,
            )
        ]


def ports(home: Path, clock: Clock | None = None, **changes: Any) -> Ports:
    """Everything bound, over the story of one incident."""
    write_secrets(home)
    door = FakeDoor(story.entries())
    door.open_approvals = 1
    ticking = clock or ManualClock(story.at(20))
    given: dict[str, Any] = {
        "responder": FakeResponder([story.fresh(), story.waiting(), *story.older()], [story.APPROVAL], ticking),
        "door": door,
        "agents": SceneAgents(OPERATOR).told(),
        "home": home,
        "drills": FakeDrills(story.drill_runs()),
        "telemetry": FakeTelemetry(story.series()),
        "slis": FakeSlis(story.slis()),
        "inventory": story.inventory(),
        "clock": ticking,
        **changes,
    }
    return Ports(**given)
