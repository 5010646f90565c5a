"""What is bound to the graph when it is built: ports only, so that fakes and the real house look the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agents.explainer import Explainer
from agents.overwatch import Overwatch
from agents.perceiver import Perceiver
from agents.planner import Planner, PlanRequest, Proposal
from agents.verifier import Verifier
from domain.alert import Alert
from domain.bundle import Bundle, Reading
from domain.clock import Clock
from domain.crew import at_work
from domain.diagnosis import Diagnosis
from domain.guard import Actor, Guard
from domain.inventory import Inventory
from domain.reasoning import Reasoner
from domain.retrieval import CaseStore, Retriever
from domain.second_opinion import DiffReading
from governance.state.crew import Crew
from graph.artifacts import Artifacts
from graph.changes import Changes
from graph.held import ReadHeld
from skills.field import Used

AGENT = "responder"
"""Who works on incidents."""


class Probes(Protocol):
    """Read-only looks at the world."""

    def names(self) -> list[str]:
        """Names of all probes."""
        ...

    async def run(self, names: Sequence[str] | None = None, services: Sequence[str] | None = None) -> list[Reading]:
        """Readings now; None means all. A probe that cannot read returns a reading with a data gap."""
        ...


class Gather(Protocol):
    """Builds the bundle of a live incident."""

    async def __call__(self, incident: str, alerts: Sequence[Alert], extra: Sequence[Reading], look: int) -> Bundle:
        """Everything known now. From the second look on (`look` > 0) it waits a little first."""
        ...


class Diagnose(Protocol):
    """Perception's mathematics: pure and synchronous."""

    def __call__(
        self,
        bundle: Bundle,
        *,
        previous: Diagnosis | None = None,
        diffs_read: Mapping[str, DiffReading] | None = None,
    ) -> Diagnosis: ...


class Leases(Protocol):
    """Whether this process still runs the thread."""

    async def check(self, thread: str) -> None:
        """Raises LeaseLostError when another runner has it now."""
        ...


class Contracted(Protocol):
    """Releases under a contract, for incidents (graph.contracts.released)."""

    async def prefer(self, request: PlanRequest, proposal: Proposal) -> Proposal:
        """The same proposal, or the rehearsed way back of the release that is blamed."""
        ...


class Skilled(Protocol):
    """Skills for incidents (graph.skills.incident)."""

    async def prefer(self, request: PlanRequest, proposal: Proposal) -> Proposal:
        """The same proposal, or one of a trusted skill."""
        ...

    async def settle(self, used: Used) -> str:
        """What became of a skill's plan goes to its record; the record in words, empty when no skill wrote the plan."""
        ...


Note = Callable[[str, str, dict[str, Any]], Awaitable[None]]
"""Writes an observation or decision to the ledger: (kind, change, content). Never raises; the run is not about it."""

Charge = Callable[[str, str, dict[str, Any]], Awaitable[None]]
"""Reports a suspicion to governance: (violation, change, facts), facts as in `governance.reporting.Reported`.

Whose fault it is, and whether it costs anything, is decided there. Never raises.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Minds:
    """The agents, each with its reasoner."""

    perceiver: Perceiver
    planner: Planner
    verifier: Verifier
    overwatch: Overwatch
    explainer: Explainer

    @classmethod
    def of(cls, reasoner: Reasoner) -> Minds:
        """All roles played by one reasoner."""
        return cls(
            perceiver=Perceiver(reasoner),
            planner=Planner(reasoner),
            verifier=Verifier(reasoner),
            overwatch=Overwatch(reasoner),
            explainer=Explainer(reasoner),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything the nodes ask. The guard is the only way to a change."""

    inventory: Inventory
    gather: Gather
    diagnose: Diagnose
    probes: Probes
    retriever: Retriever
    cases: CaseStore
    guard: Guard
    minds: Minds
    leases: Leases
    note: Note
    changes: Changes
    """What people and other tools changed."""
    charge: Charge
    held: ReadHeld
    crew: Crew
    artifacts: Artifacts
    clock: Clock
    agent: str = AGENT
    released: Contracted | None = None
    """None: no releases are carried out under a contract here."""
    skilled: Skilled | None = None
    """None: plans are made of loose actions only."""

    def agent_at(self, incident: str) -> str:
        """The agent at work on an incident."""
        return at_work(self.agent, incident)

    def actor(self, incident: str, run: str) -> Actor:
        """On whose behalf the guard is asked, and under which lock."""
        fence = self.crew.fence(incident)
        return Actor(agent=self.agent, change=incident, thread=incident, run=run, fence=fence)
