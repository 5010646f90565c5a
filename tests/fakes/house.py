"""The services of a whole graph over the little world, and how to run one incident through it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver

from agents.reasoners.fallback import FallbackReasoner
from agents.reasoners.rules import RulesReasoner
from domain.action import Verdict
from domain.alert import Change
from domain.bundle import Window
from domain.reasoning import Reasoner
from governance.state.crew import Crew
from governance.state.memory import MemoryState
from graph.artifacts import MemoryArtifacts
from graph.build import IncidentGraph, build
from graph.changes import all_changes
from graph.checkpoint.lease import ProcessLeases
from graph.checkpoint.serde import strict_serde
from graph.held import Held
from graph.services import Charge, Minds, Services
from graph.state import Knobs
from tests.fakes.world import (
    INVENTORY,
    NoDocuments,
    TickingClock,
    World,
    WorldGather,
    WorldGuard,
    WorldProbes,
    alert,
    diagnose_world,
)


@dataclass
class House:
    """One world with everything bound to it."""

    world: World
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    reasoner: Reasoner | None = None
    saver: Any = None
    changes: list[Change] = field(default_factory=list)
    """What people changed out of band."""
    notes: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    charged: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    charging: Charge | None = None
    """Where suspicions go besides `charged`."""
    held: Held = field(default_factory=Held)
    """What governance holds against the agent."""

    def __post_init__(self) -> None:
        self.artifacts = MemoryArtifacts()
        self.clock = TickingClock()
        self.guard = WorldGuard(self.world, self.clock, self.verdicts)
        self.documents = NoDocuments()
        self.crew = Crew(MemoryState(self.clock), self.clock)
        self.saver = self.saver or InMemorySaver(serde=strict_serde())

    @property
    def services(self) -> Services:
        rules = RulesReasoner(self.clock)
        probes = WorldProbes(self.world)
        return Services(
            inventory=INVENTORY,
            gather=WorldGather(probes),
            diagnose=diagnose_world,
            probes=probes,
            retriever=self.documents,
            cases=self.documents,
            guard=self.guard,
            minds=Minds.of(FallbackReasoner(self.reasoner, rules) if self.reasoner else rules),
            leases=ProcessLeases(),
            note=self._note,
            changes=all_changes(self._told),
            charge=self._charge,
            held=self._held,
            crew=self.crew,
            artifacts=self.artifacts,
            clock=self.clock,
        )

    async def _told(self, window: Window) -> list[Change]:
        return [c for c in self.changes if window[0] <= c.time.timestamp() <= window[1]]

    async def _note(self, kind: str, change: str, content: dict[str, Any]) -> None:
        self.notes.append((kind, change, content))

    async def _charge(self, violation: str, change: str, facts: dict[str, Any]) -> None:
        self.charged.append((violation, change, facts))
        if self.charging is not None:
            await self.charging(violation, change, facts)

    async def _held(self) -> Held:
        return self.held

    def graph(self) -> IncidentGraph:
        """A fresh graph over the same world and saver, as after a restart."""
        return build(self.services, self.saver)

    async def run(self, given: Any = None, **knobs: Any) -> dict[str, Any]:
        """Run or resume the thread `inc-1` until it ends or waits."""
        fresh = {"incident": "inc-1", "run": "run-1", "alerts": [alert()]}
        asked: Any = fresh if given is None else given
        config: Any = {"configurable": {"thread_id": "inc-1"}}
        answer: dict[str, Any] = await self.graph().ainvoke(asked, config, context=Knobs(**knobs), durability="sync")
        return answer
