"""The whole face of the door: domain.guard.Guard and what people and the ledger's readers need besides."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from domain.action import ActionCall
from domain.guard import (
    Approval,
    ApprovalAnswer,
    EntriesFound,
    EntrySearch,
    Guard,
    GuardStatus,
    LedgerEntry,
    LedgerVerification,
    Receipt,
)
from domain.value import Value
from governance.shadow import Agreement, Shadowed


class FreezeReport(Value):
    """What a freeze did."""

    status: GuardStatus
    quiet_s: float
    """Seconds until nothing was running any more."""
    stopped: list[str] = []
    """Claim keys of executions that were still running after the grace time and were marked unknown."""


class UnwindItem(Value):
    """One applied step that can be taken back."""

    plan: str
    step: str
    change: str
    agent: str
    applied: ActionCall
    undo: ActionCall
    summary: str
    entry: int
    """Sequence number of the ledger's `attempt`."""


class UnwindReport(Value):
    """A saga: compensations in reverse order, up to the first that failed."""

    saga: str
    receipts: list[Receipt]
    complete: bool
    remaining: list[UnwindItem] = []


class GuardFace(Guard, Protocol):
    """Implemented by the guard in its own process (bound to a token) and by its client in every other one."""

    async def answer(self, approval_id: str, answer: ApprovalAnswer) -> Approval:
        """A person's answer. Raises ConflictError for whoever comes second, AuthError, NotFoundError."""
        ...

    async def freeze(self, reason: str = "") -> FreezeReport:
        """A person's stop: within five seconds nothing takes effect any more."""
        ...

    async def resume(self, reason: str = "") -> GuardStatus:
        """A person's go."""
        ...

    async def unwindable(self, change: str | None = None) -> list[UnwindItem]:
        """What an unwind would take back, in the order in which it would."""
        ...

    async def unwind(self, change: str | None = None) -> UnwindReport:
        """A person's order to take back what was applied, last one first; also while frozen."""
        ...

    async def take(self, change: str, reason: str = "") -> None:
        """A person takes a change over: no agent's step of it is dispatched from now on."""
        ...

    async def give_back(self, change: str, reason: str = "") -> None:
        """A person lets the agents work on it again."""
        ...

    async def shadowed(self, since: datetime) -> list[Shadowed]:
        """What would have been done in shadow mode, newest first."""
        ...

    async def label_shadow(self, id: str, agreement: Agreement) -> Shadowed:
        """A person's word on how it compares with what happened. Raises NotFoundError, AuthError."""
        ...

    async def ledger(self, *, after: int = -1, limit: int = 200, change: str | None = None) -> list[LedgerEntry]:
        """Entries after a sequence number, oldest first."""
        ...

    async def search(self, wanted: EntrySearch) -> EntriesFound:
        """Entries that match, newest first."""
        ...

    async def verify(self) -> LedgerVerification:
        """Whether the whole chain holds."""
        ...

    async def record(self, kind: str, change: str, content: dict[str, Any]) -> LedgerEntry:
        """Add an entry of a kind that this token may write."""
        ...
