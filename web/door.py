"""The action server behind the `Door` port. Reads with the app's token; what a person asks goes with the person's own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from domain.action import Tier
from domain.agents import AgentDetail, AgentRow, ChargeRow, Move, RevocationReport, Turn
from domain.findings import Finding
from domain.guard import EntriesFound, EntrySearch, GuardStatus, LedgerVerification
from governance.guard.agents_client import HttpAgents
from governance.guard.client import HttpGuard
from governance.guard.face import FreezeReport, UnwindItem, UnwindReport
from governance.shadow import Agreement, Shadowed
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

    async def search(self, wanted: EntrySearch) -> EntriesFound:
        """See the port."""
        return await self._guard.search(wanted)

    async def verify(self) -> LedgerVerification:
        """See the port."""
        return await self._guard.verify()

    async def sign_in_oidc(self, id_token: str, nonce: str) -> str:
        """See the port."""
        return (await self._guard.sign_in_oidc(id_token, nonce)).token

    async def sign_in_proxy(self, name: str) -> str:
        """See the port."""
        return (await self._guard.sign_in_proxy(name)).token

    async def shadowed(self, since: datetime) -> Sequence[Shadowed]:
        """See the port."""
        return await self._guard.shadowed(since)

    async def label_shadow(self, person_token: str, proposal: str, agreement: Agreement) -> Shadowed:
        """See the port."""
        async with self._guard.with_token(person_token) as person:
            return await person.label_shadow(proposal, agreement)

    async def freeze(self, person_token: str, reason: str) -> FreezeReport:
        """See the port."""
        async with self._guard.with_token(person_token) as person:
            return await person.freeze(reason)

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


class GuardAgents:
    """`AgentsDoor` over the guard's client."""

    def __init__(self, guard: HttpGuard) -> None:
        self._guard = guard

    async def all(self) -> list[AgentRow]:
        """See the port."""
        return await HttpAgents(self._guard).all()

    async def detail(self, agent: str) -> AgentDetail:
        """See the port."""
        return await HttpAgents(self._guard).detail(agent)

    async def promote(self, person_token: str, agent: str, to: Tier | None, reason: str, *, waive: bool) -> Move:
        """See the port."""
        async with self._guard.with_token(person_token) as person:
            body = {"to": to.value if to else None, "reason": reason, "waive": waive}
            return await HttpAgents(person).promote(agent, body)

    async def demote(self, person_token: str, agent: str, to: Tier | None, reason: str) -> Move:
        """See the port."""
        async with self._guard.with_token(person_token) as person:
            return await HttpAgents(person).demote(agent, {"to": to.value if to else None, "reason": reason})

    async def revoke(self, person_token: str, agent: str, reason: str) -> RevocationReport:
        """See the port."""
        async with self._guard.with_token(person_token) as person:
            return await HttpAgents(person).revoke(agent, reason)

    async def reinstate(self, person_token: str, agent: str, reason: str) -> Move:
        """See the port."""
        async with self._guard.with_token(person_token) as person:
            return await HttpAgents(person).reinstate(agent, reason)

    async def overturn(self, person_token: str, charge_id: str, reason: str) -> ChargeRow:
        """See the port."""
        async with self._guard.with_token(person_token) as person:
            return await HttpAgents(person).overturn(charge_id, reason)

    async def review(self, person_token: str, agent: str, plan: str, right: bool) -> Turn:
        """See the port."""
        async with self._guard.with_token(person_token) as person:
            return await HttpAgents(person).review(agent, plan, right)

    async def findings(self) -> list[Finding]:
        """See the port."""
        return await HttpAgents(self._guard).findings()

    async def accept_finding(self, person_token: str, finding_id: str) -> Finding:
        """See the port."""
        async with self._guard.with_token(person_token) as person:
            return await HttpAgents(person).accept_finding(finding_id)

    async def close_finding(self, person_token: str, finding_id: str, evidence: str) -> Finding:
        """See the port."""
        async with self._guard.with_token(person_token) as person:
            return await HttpAgents(person).close_finding(finding_id, evidence)
