"""The real agents behind the web's port: a guard over the fake world, with a history worth showing."""

from __future__ import annotations

from collections.abc import Sequence

from domain.action import Tier
from domain.agents import AgentDetail, AgentRow, ChargeRow, Move, RevocationReport, Turn
from domain.findings import Finding
from governance.attribution import Cause, Excuse, Suspicion
from governance.charging import charge
from governance.guard.agents import Agents
from governance.outcomes import review_plan
from governance.violations import Violation
from tests.fakes.guard import TOKENS, Scene


class SceneAgents:
    """`web.ports.AgentsDoor` over a scene. `operator` is the token that stands for the scene's operator."""

    def __init__(self, operator: str, scene: Scene | None = None) -> None:
        self.scene = scene or Scene()
        self._operator = operator

    def told(self) -> SceneAgents:
        """With a warning, a recovery and a reviewed plan."""
        made = Suspicion(
            violation=Violation.SCOPE_VIOLATION, agent="responder", change="inc-4f2a9c1be07d", what="another plan"
        )
        excuse = Excuse(cause=Cause.INJECTED, evidence="lock_lost was injected at 03:12:04 (L7)")
        lost = Suspicion(violation=Violation.LOCK_EXPIRED, agent="responder", change="", what="lost", excuse=excuse)
        with self.scene.store.transaction() as tx:
            charge(tx, made, self.scene.policy)
            charge(tx, lost, self.scene.policy)
            environment = self.scene.inventory.services[0].environment
            review_plan(tx, agent="responder", plan="plan-1", environment=environment, right=True, by="maria")
        return self

    async def all(self) -> list[AgentRow]:
        return self._as(self._operator).all()

    async def detail(self, agent: str) -> AgentDetail:
        return self._as(self._operator).detail(agent)

    async def promote(self, person_token: str, agent: str, to: Tier | None, reason: str, *, waive: bool) -> Move:
        return self._as(person_token).promote(agent, to, reason, waive=waive)

    async def demote(self, person_token: str, agent: str, to: Tier | None, reason: str) -> Move:
        return self._as(person_token).demote(agent, to, reason)

    async def revoke(self, person_token: str, agent: str, reason: str) -> RevocationReport:
        return await self._as(person_token).revoke(agent, reason)

    async def reinstate(self, person_token: str, agent: str, reason: str) -> Move:
        return self._as(person_token).reinstate(agent, reason)

    async def overturn(self, person_token: str, charge_id: str, reason: str) -> ChargeRow:
        return self._as(person_token).overturn(charge_id, reason)

    async def review(self, person_token: str, agent: str, plan: str, right: bool) -> Turn:
        self._as(person_token).review(agent, plan, right)
        return self._as(person_token).history(agent)[0]

    async def findings(self) -> Sequence[Finding]:
        return self._as(self._operator).findings()

    async def accept_finding(self, person_token: str, finding_id: str) -> Finding:
        return self._as(person_token).accept_finding(finding_id)

    async def close_finding(self, person_token: str, finding_id: str, evidence: str) -> Finding:
        return self._as(person_token).close_finding(finding_id, evidence)

    def _as(self, token: str) -> Agents:
        known = TOKENS["operator"][0] if token == self._operator else token
        return self.scene.guard.agents_for(known)
