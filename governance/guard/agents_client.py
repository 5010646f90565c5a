"""The action server's agents for other processes, over the guard's client."""

from __future__ import annotations

from typing import Any

from domain.agents import AgentDetail, AgentRow, ChargeRow, Move, RevocationReport, Turn
from domain.findings import Finding
from governance.guard.client import HttpGuard, one, segment


class HttpAgents:
    """As the holder of the client's token."""

    def __init__(self, guard: HttpGuard) -> None:
        self._guard = guard

    async def all(self) -> list[AgentRow]:
        """Every agent."""
        body = await self._guard.call("/v1/agents")
        return [one(AgentRow, row) for row in body["agents"]]

    async def detail(self, agent: str) -> AgentDetail:
        """Raises NotFoundError."""
        return one(AgentDetail, await self._guard.call(f"/v1/agents/{segment(agent)}"))

    async def promote(self, agent: str, body: dict[str, Any]) -> Move:
        """`to`, `reason`, `waive`. Raises ConflictError, AuthError."""
        return one(Move, await self._guard.call(f"/v1/agents/{segment(agent)}/promote", body))

    async def demote(self, agent: str, body: dict[str, Any]) -> Move:
        """`to`, `reason`. Raises ConflictError, AuthError."""
        return one(Move, await self._guard.call(f"/v1/agents/{segment(agent)}/demote", body))

    async def revoke(self, agent: str, reason: str) -> RevocationReport:
        """Raises ConflictError, AuthError."""
        return one(RevocationReport, await self._guard.call(f"/v1/agents/{segment(agent)}/revoke", {"reason": reason}))

    async def reinstate(self, agent: str, reason: str) -> Move:
        """Raises ConflictError, AuthError."""
        return one(Move, await self._guard.call(f"/v1/agents/{segment(agent)}/reinstate", {"reason": reason}))

    async def review(self, agent: str, plan: str, right: bool) -> Turn:
        """A person's word on a plan. Raises AuthError."""
        body = await self._guard.call(f"/v1/agents/{segment(agent)}/reviews", {"plan": plan, "right": right})
        return one(Turn, body["turns"][0])

    async def overturn(self, charge_id: str, reason: str) -> ChargeRow:
        """Raises NotFoundError, ConflictError, AuthError."""
        path = f"/v1/violations/{segment(charge_id)}/overturn"
        return one(ChargeRow, await self._guard.call(path, {"reason": reason}))

    async def findings(self) -> list[Finding]:
        """Findings about our own operation, open ones first."""
        body = await self._guard.call("/v1/findings")
        return [one(Finding, row) for row in body["findings"]]

    async def accept_finding(self, finding_id: str) -> Finding:
        """Raises NotFoundError, ConflictError, AuthError."""
        return one(Finding, await self._guard.call(f"/v1/findings/{segment(finding_id)}/accept", {}))

    async def close_finding(self, finding_id: str, evidence: str) -> Finding:
        """Raises NotFoundError, ConflictError, AuthError."""
        path = f"/v1/findings/{segment(finding_id)}/close"
        return one(Finding, await self._guard.call(path, {"evidence": evidence}))
