"""What the faces (web, cli) may ask of the running responder. Code against this; `graph.runner.IncidentRunner` is it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Literal, Protocol

from domain.alert import Change
from domain.events import Event
from domain.guard import Approval, ApprovalAnswer
from domain.incident import Incident, IncidentRow
from domain.value import UtcTime, Value


class ChatPiece(Value):
    """One piece of a streamed answer.

    `source` says who answers (text: the reasoner's name) and comes first; `sentence` is supported by the ids in `evidence`;
    `unsupported` was dropped because nothing carries it and is shown as such; `suggestion` is a question to ask next;
    `done` is last.
    """

    kind: Literal["source", "sentence", "unsupported", "suggestion", "done"]
    text: str = ""
    evidence: list[str] = []


class Receipt(Value):
    """What became of one alert of one delivery: by which rule it was opened, grouped or dropped. Undoable by replay."""

    delivery_id: str
    identity: str
    episode_id: str
    rule: Literal[
        "opened", "grouped", "duplicate", "resolved", "suppressed", "ignored", "throttled", "change", "malformed"
    ]
    incident: str | None = None
    text: str = ""
    at: UtcTime


class Page(Value):
    """A page of `incident list`, newest first. `next` is the cursor of the next page, or None at the end."""

    schema_version: str = "1"
    incidents: list[IncidentRow] = []
    next: str | None = None


class Responder(Protocol):
    """The responder as its faces see it. Unknown ids raise NotFoundError, illegal moves ConflictError."""

    async def submit_delivery(self, source: str, headers: Mapping[str, str], body: bytes) -> str:
        """Store the delivery durably and return its id at once; the work happens later. Raises IntakeError (malformed)."""
        ...

    async def delivery(self, delivery_id: str) -> list[Receipt]:
        """What became of a delivery; empty while it waits."""
        ...

    async def incidents(self, *, status: str | None = None, limit: int = 50, cursor: str | None = None) -> Page:
        """Newest first. `status` is one status; `open` also stands for every other one in which something goes on."""
        ...

    async def incident(self, incident_id: str) -> Incident:
        """The whole record with timeline and evidence."""
        ...

    async def output(self, incident_id: str, sha256: str) -> dict[str, Any]:
        """One output that the incident's run left in the artifact store."""
        ...

    async def stop(self, incident_id: str, person: str, reason: str = "") -> Incident:
        """No further step; the run ends in an escalation with what is known."""
        ...

    async def take(self, incident_id: str, person: str, reason: str = "", *, person_token: str) -> Incident:
        """A person works on it now; the agents stand back, at the action server first. Raises AuthError."""
        ...

    async def give_back(self, incident_id: str, person: str, reason: str = "", *, person_token: str) -> Incident:
        """A new run that looks afresh at what the person left. Raises ConflictError when nobody had taken it."""
        ...

    async def reopen(self, incident_id: str, person: str, reason: str = "") -> Incident:
        """A new run (a new incident id) that refers to the closed one."""
        ...

    async def changes(self, since: datetime, until: datetime) -> list[Change]:
        """What people and other tools changed, oldest first."""
        ...

    async def approvals(self, *, open_only: bool = False, incident: str | None = None) -> list[Approval]:
        """From the action server, newest first."""
        ...

    async def answer_approval(self, approval_id: str, answer: ApprovalAnswer, person_token: str) -> Approval:
        """Forward a person's answer with the person's own token, then let the waiting run go on."""
        ...

    def chat(self, text: str, incident_id: str | None = None) -> AsyncIterator[ChatPiece]:
        """Answer from evidence, piece by piece."""
        ...

    def subscribe(self, incident_id: str | None = None) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """`async with responder.subscribe() as events: async for event in events` — all events from now on, or one incident's.

        A slow reader loses the oldest events, never blocks the run; the record has them all.
        """
        ...

    async def health(self) -> dict[str, Any]:
        """Per dependency: {name: {ok: bool, detail: str}}; keys: store, checkpoints, action_server, telemetry, model."""
        ...
