"""The guard's whole face for the holder of one token: what each question needs, then whoever answers it."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from domain.action import ActionSpec, Judgement
from domain.guard import (
    Actor,
    Approval,
    ApprovalAnswer,
    EntriesFound,
    EntrySearch,
    GuardStatus,
    LedgerEntry,
    LedgerVerification,
    Receipt,
    Withdrawal,
)
from domain.plan import Plan
from governance.approval import list_approvals, load_approval, withdraw
from governance.guard.entries import right_to_write, write_entry
from governance.guard.face import FreezeReport, UnwindItem, UnwindReport
from governance.guard.guard import GuardedExecutor
from governance.guard.saga import unwind_items
from governance.guard.shadow import label
from governance.guard.switch import freeze, resume, status
from governance.guard.taken import give_back, take
from governance.identity import Right
from governance.shadow import Agreement, Shadowed, shadowed_since


class Session:
    """GuardFace for the holder of one token, in the guard's own process."""

    def __init__(self, guard: GuardedExecutor, token: str) -> None:
        self._guard = guard
        self._token = token
        self._parts = guard.parts

    async def specs(self) -> list[ActionSpec]:
        self._guard.holder(self._token, Right.READ)
        return self._parts.executor.specs()

    async def judge(self, plan: Plan, actor: Actor) -> list[Judgement]:
        return await self._guard.judge(plan, actor, self._token)

    async def apply(self, plan_id: str, step_id: str, actor: Actor, approval_id: str | None = None) -> Receipt:
        return await self._guard.apply(plan_id, step_id, actor, self._token, approval_id)

    async def compensate(self, plan_id: str, step_id: str, actor: Actor) -> Receipt:
        return await self._guard.compensate(plan_id, step_id, actor, self._token)

    async def approval(self, approval_id: str) -> Approval:
        self._guard.holder(self._token, Right.READ)
        return load_approval(self._parts.ledger, approval_id, self._parts.ledger.now)

    async def approvals(self, *, open_only: bool = False, change: str | None = None) -> list[Approval]:
        self._guard.holder(self._token, Right.READ)
        return list_approvals(self._parts.ledger, self._parts.ledger.now, open_only=open_only, change=change)

    async def withdraw(self, approval_id: str, ended: Withdrawal) -> Approval:
        self._guard.holder(self._token, Right.PROPOSE)
        with self._parts.ledger.transaction() as tx:
            return withdraw(tx, approval_id, ended)

    async def status(self) -> GuardStatus:
        self._guard.holder(self._token, Right.VERIFY)
        return status(self._parts)

    async def answer(self, approval_id: str, answer: ApprovalAnswer) -> Approval:
        return await self._guard.answer(approval_id, answer, self._token)

    async def freeze(self, reason: str = "") -> FreezeReport:
        return await freeze(self._parts, self._guard.holder(self._token, Right.ANSWER), reason)

    async def resume(self, reason: str = "") -> GuardStatus:
        return resume(self._parts, self._guard.holder(self._token, Right.ANSWER), reason)

    async def unwindable(self, change: str | None = None) -> list[UnwindItem]:
        self._guard.holder(self._token, Right.ANSWER)
        return unwind_items(self._parts.ledger, change)

    async def unwind(self, change: str | None = None) -> UnwindReport:
        return await self._guard.unwind(self._guard.holder(self._token, Right.ANSWER), change)

    async def take(self, change: str, reason: str = "") -> None:
        await take(self._parts, self._guard.holder(self._token, Right.TAKE), change, reason)

    async def give_back(self, change: str, reason: str = "") -> None:
        give_back(self._parts, self._guard.holder(self._token, Right.TAKE), change, reason)

    async def shadowed(self, since: datetime) -> list[Shadowed]:
        self._guard.holder(self._token, Right.READ)
        return shadowed_since(self._parts.ledger, since)

    async def label_shadow(self, id: str, agreement: Agreement) -> Shadowed:
        return label(self._parts, self._guard.holder(self._token, Right.TAKE), id, agreement)

    async def ledger(self, *, after: int = -1, limit: int = 200, change: str | None = None) -> list[LedgerEntry]:
        self._guard.holder(self._token, Right.READ)
        return self._parts.ledger.entries(after=after, limit=limit, change=change)

    async def search(self, wanted: EntrySearch) -> EntriesFound:
        self._guard.holder(self._token, Right.READ)
        return self._parts.ledger.search(wanted)

    async def verify(self) -> LedgerVerification:
        self._guard.holder(self._token, Right.VERIFY)
        return await asyncio.to_thread(self._parts.ledger.verify)

    async def record(self, kind: str, change: str, content: dict[str, Any]) -> LedgerEntry:
        right = right_to_write(kind, lambda: self._guard.holder(self._token, Right.VERIFY))
        return await write_entry(
            self._parts.ledger, self._guard.trust, self._guard.holder(self._token, right), kind, change, content
        )
