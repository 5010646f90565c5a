"""The action server behind the `Door` port. Reads with the app's token; what a person asks goes with the person's own."""

from __future__ import annotations

from collections.abc import Sequence

from domain.guard import GuardStatus, LedgerVerification
from governance.guard.client import HttpGuard
from governance.guard.face import UnwindItem, UnwindReport
from web.ports import LedgerPage


class GuardDoor:
    """`Door` over the guard's client. The client belongs to the caller, the per-person ones are closed here."""

    def __init__(self, guard: HttpGuard) -> None:
        self._guard = guard

    async def status(self) -> GuardStatus:
        """See the port."""
        return await self._guard.status()

    async def ledger(self, *, after: int = -1, limit: int = 50, change: str | None = None) -> LedgerPage:
        """See the port."""
        entries = await self._guard.ledger(after=after, limit=limit, change=change)
        return LedgerPage(entries=entries, next=entries[-1].seq if len(entries) == limit else None)

    async def verify(self) -> LedgerVerification:
        """See the port."""
        return await self._guard.verify()

    async def freeze(self, person_token: str, reason: str) -> GuardStatus:
        """See the port."""
        async with self._guard.with_token(person_token) as person:
            return (await person.freeze(reason)).status

    async def resume(self, person_token: str, reason: str) -> GuardStatus:
        """See the port."""
        async with self._guard.with_token(person_token) as person:
            return await person.resume(reason)

    async def unwindable(self, person_token: str) -> Sequence[UnwindItem]:
        """See the port."""
        async with self._guard.with_token(person_token) as person:
            return await person.unwindable()

    async def unwind(self, person_token: str) -> UnwindReport:
        """See the port."""
        async with self._guard.with_token(person_token) as person:
            return await person.unwind()
