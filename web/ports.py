"""What the face needs from behind it. `graph.face.Responder` is the main one; the rest are small enough to fake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from domain.action import Tier
from domain.agents import AgentDetail, AgentRow, ChargeRow, Move, RevocationReport, Turn
from domain.clock import Clock, SystemClock
from domain.drills import Drills
from domain.findings import Finding
from domain.guard import EntriesFound, EntrySearch, GuardStatus, LedgerEntry, LedgerVerification
from domain.inventory import Inventory
from domain.retrieval import Retriever
from domain.telemetry import Telemetry
from domain.value import UtcTime, Value
from governance.guard.face import FreezeReport, UnwindItem, UnwindReport
from governance.shadow import Agreement, Shadowed
from graph.contracts.bargains import Bargains
from graph.contracts.rollouts import Rollouts
from graph.contracts.trials import Trials
from graph.face import Responder
from graph.outgoing.subscription import Delivery, DeliveryState, SubscriptionRow
from graph.pipelines.runner import PipelineRunner
from graph.skills.missions import Missions
from graph.skills.rehearsals import Rehearsals
from graph.skills.runner import SkillRunner
from graph.skills.standing import Standings


class LedgerPage(Value):
    """Some entries, ascending by sequence number; `next` is what to pass as `after`, or None at the end."""

    schema_version: str = "1"
    entries: list[LedgerEntry] = []
    next: int | None = None


class Door(Protocol):
    """The action server as the face uses it. A person's token is passed through; the face has no right of its own."""

    async def status(self) -> GuardStatus:
        """Frozen or not, and what is open. Raises UpstreamError when nobody answers."""
        ...

    async def ledger(self, *, after: int = -1, limit: int = 50, change: str | None = None) -> LedgerPage:
        """Entries with a sequence number above `after`."""
        ...

    async def search(self, wanted: EntrySearch) -> EntriesFound:
        """Entries that match, newest first."""
        ...

    async def verify(self) -> LedgerVerification:
        """Walk the whole chain."""
        ...

    async def sign_in_oidc(self, id_token: str, nonce: str) -> str:
        """A token for whom an OpenID provider vouches for; verified there. Raises AuthError."""
        ...

    async def sign_in_proxy(self, name: str) -> str:
        """A token for whom a trusted proxy let through. Raises AuthError."""
        ...

    async def shadowed(self, since: datetime) -> Sequence[Shadowed]:
        """What would have been done in shadow mode."""
        ...

    async def label_shadow(self, person_token: str, proposal: str, agreement: Agreement) -> Shadowed:
        """A person's word on it. Raises NotFoundError, AuthError."""
        ...

    async def freeze(self, person_token: str, reason: str) -> FreezeReport:
        """No further effect of any kind. Raises AuthError when the token may not."""
        ...

    async def resume(self, person_token: str, reason: str) -> GuardStatus:
        """Effects may happen again."""
        ...

    async def unwindable(self, person_token: str) -> Sequence[UnwindItem]:
        """What an unwind would take back; changes nothing."""
        ...

    async def unwind(self, person_token: str) -> UnwindReport:
        """Take it back, last one first. Raises AuthError when the token may not."""
        ...


class AgentsDoor(Protocol):
    """The action server's agents as the face uses them."""

    async def all(self) -> list[AgentRow]:
        """Every agent. Raises UpstreamError."""
        ...

    async def detail(self, agent: str) -> AgentDetail:
        """Raises NotFoundError."""
        ...

    async def promote(self, person_token: str, agent: str, to: Tier | None, reason: str, *, waive: bool) -> Move:
        """Raises ConflictError when the record does not carry it, AuthError when the person may not."""
        ...

    async def demote(self, person_token: str, agent: str, to: Tier | None, reason: str) -> Move:
        """Raises ConflictError, AuthError."""
        ...

    async def revoke(self, person_token: str, agent: str, reason: str) -> RevocationReport:
        """Raises ConflictError, AuthError."""
        ...

    async def reinstate(self, person_token: str, agent: str, reason: str) -> Move:
        """Raises ConflictError, AuthError."""
        ...

    async def overturn(self, person_token: str, charge_id: str, reason: str) -> ChargeRow:
        """Raises NotFoundError, ConflictError, AuthError."""
        ...

    async def review(self, person_token: str, agent: str, plan: str, right: bool) -> Turn:
        """A person's word on one of its plans. Raises AuthError."""
        ...

    async def findings(self) -> Sequence[Finding]:
        """Findings about our own operation."""
        ...

    async def accept_finding(self, person_token: str, finding_id: str) -> Finding:
        """Raises NotFoundError, ConflictError, AuthError."""
        ...

    async def close_finding(self, person_token: str, finding_id: str, evidence: str) -> Finding:
        """Raises NotFoundError, ConflictError, AuthError."""
        ...


class Fault(Protocol):
    """One thing that can be broken on purpose, as the chaos server lists it for people."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def service(self) -> str: ...
    @property
    def abstain(self) -> bool:
        """True: nothing will be broken and nothing should be mended."""
        ...


class DrillRoom(Drills, Protocol):
    """The chaos server as the face uses it: it forwards, it knows no fault itself."""

    async def faults(self) -> Sequence[Fault]:
        """What can be broken here. Raises UpstreamError."""
        ...

    async def kill(self, reason: str) -> dict[str, Any]:
        """Take back whatever is broken on purpose, and refuse more until `resume`."""
        ...

    async def resume(self) -> None:
        """Breaking is possible again."""
        ...


class SliRow(Value):
    """One service level, now and lately."""

    service: str
    name: str
    sli: str
    """availability, latency_p95, error_ratio, saturation, freshness, process"""
    unit: Literal["ratio", "s"] = "ratio"
    target: float
    implicit: bool = False
    """Nobody wrote this objective: every process should run and every probe be answered."""
    current: float | None = None
    burn_short: float | None = None
    """How fast the error budget burns over the short window; 1 uses it up exactly at the end of the objective's window."""
    burn_long: float | None = None
    """The same over the long window; an alert needs both."""
    budget_left: float | None = None
    """Share of the budget that is left; below 0 it is overspent."""
    firing: bool = False
    ok: bool | None = None
    """Whether the objective is kept now. None: cannot be told (no data)."""
    points: list[float | None] = []
    """The last values, oldest first, for a sparkline."""
    at: UtcTime | None = None


class SliBoard(Protocol):
    """Reads the service levels."""

    async def slis(self) -> Sequence[SliRow]:
        """One row per objective of the inventory."""
        ...


class Outgoing(Protocol):
    """What leaves the house: events as CloudEvents, and the webhooks that carry them."""

    async def tail(self, *, after: int, limit: int) -> Sequence[dict[str, Any]]:
        """Stored events, ascending; an event's `id` is what to pass as `after`."""
        ...

    async def newest(self) -> int:
        """Number of the newest event; 0 when there is none."""
        ...

    async def subscriptions(self) -> Sequence[SubscriptionRow]:
        """Every webhook of the inventory."""
        ...

    async def deliveries(self, *, state: DeliveryState | None = None, limit: int = 100) -> Sequence[Delivery]:
        """Newest first."""
        ...

    async def test(self, name: str) -> Delivery:
        """Send one test event. Raises NotFoundError."""
        ...

    async def redeliver(self, delivery_id: int) -> Delivery:
        """Try one again. Raises NotFoundError, ConflictError."""
        ...


class PullRequests(Protocol):
    """Contracts on pull requests, as far as the face knows them."""

    @property
    def trouble(self) -> str:
        """Why GitHub cannot be asked or told right now; empty: nothing is wrong."""
        ...

    async def submit(self, body: bytes) -> str:
        """Keep a delivery whose proof held; its id, or empty when it is about nothing of ours. Raises IntakeError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything the pages and endpoints ask; bound once in the composition root."""

    responder: Responder
    door: Door
    home: Path
    agents: AgentsDoor | None = None
    pipelines: PipelineRunner | None = None
    skills: SkillRunner | None = None
    bargains: Bargains | None = None
    rehearsals: Rehearsals | None = None
    standings: Standings | None = None
    rollouts: Rollouts | None = None
    pulls: PullRequests | None = None
    """None: no token for GitHub."""
    trials: Trials | None = None
    missions: Missions | None = None
    drills: DrillRoom | None = None
    """None: this installation looks after someone's own systems and breaks nothing."""
    telemetry: Telemetry | None = None
    slis: SliBoard | None = None
    retriever: Retriever | None = None
    inventory: Inventory | None = None
    outgoing: Outgoing | None = None
    runbooks: Path = field(default=Path("runbooks"))
    clock: Clock = field(default_factory=SystemClock)
