"""The graph for LangGraph Studio (`langgraph dev`): services bound here; the server brings the checkpointer, which is ours.

With a home that is up (`firebreak up`, then FIREBREAK_ACTION_URL and FIREBREAK_CONFIG as it prints them) the graph works
on the live system. Without one it opens all the same, sees nothing and says so. FIREBREAK_STUDIO_SERVICES names another
factory of services as `module:function`, for rehearsals and tests.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import yaml

from agents.perception import diagnose
from agents.reasoners.rules import RulesReasoner
from domain.action import ActionSpec, Judgement, Outcome, Verdict
from domain.alert import Alert
from domain.bundle import Bundle, Reading
from domain.clock import SystemClock
from domain.errors import NotFoundError
from domain.guard import Actor, Approval, GuardStatus, Receipt, Withdrawal
from domain.inventory import Inventory, Service
from domain.plan import Plan
from domain.retrieval import Passage
from governance.state.crew import Crew
from governance.state.memory import MemoryState
from graph.artifacts import MemoryArtifacts
from graph.bootstrap import build_house
from graph.build import IncidentGraph, build
from graph.changes import all_changes
from graph.checkpoint.lease import ProcessLeases
from graph.checkpoint.opening import open_saver
from graph.held import Held
from graph.services import Minds, Services
from graph.settings import load_settings

NO_HOME = "no home is up: nothing can be read or changed"


def make_graph() -> IncidentGraph:
    """Called by the server for every run; all runs share the services. Compiled without a checkpointer."""
    return _graph()


@cache
def _graph() -> IncidentGraph:
    return build(services_of(dict(os.environ)))


@asynccontextmanager
async def checkpointer() -> AsyncIterator[Any]:
    """The product's saver for the dev server: the home's Redis (or REDIS_URL), else SQLite in the home."""
    settings = load_settings()
    settings.home.mkdir(parents=True, exist_ok=True)
    async with open_saver(settings) as saver:
        yield saver


Bound = Literal["factory", "home", "nothing"]


def bound_to(env: Mapping[str, str]) -> Bound:
    """What the graph works on: a named factory's services, the home that is up, or nothing."""
    if env.get("FIREBREAK_STUDIO_SERVICES"):
        return "factory"
    return "home" if env.get("FIREBREAK_ACTION_URL") and env.get("FIREBREAK_CONFIG") else "nothing"


def services_of(env: Mapping[str, str]) -> Services:
    """From the named factory, from the live home, or offline."""
    bound = bound_to(env)
    if bound == "factory":
        module, _, name = env["FIREBREAK_STUDIO_SERVICES"].partition(":")
        made: Services = getattr(import_module(module), name)()
        return made
    if bound == "home":
        config = env["FIREBREAK_CONFIG"]
        inventory = Inventory.model_validate(yaml.safe_load(Path(config).read_text()))
        return build_house(load_settings(), inventory, env, root=Path(config).parent).services
    return offline_services()


def offline_services() -> Services:
    """Ports that see nothing and allow nothing."""
    nothing = Nothing()
    clock = SystemClock()
    return Services(
        inventory=Inventory(services=[Service(name="unknown", kind="unknown")]),
        gather=nothing.gather,
        diagnose=diagnose,
        probes=nothing,
        retriever=nothing,
        cases=nothing,
        guard=nothing,
        minds=Minds.of(RulesReasoner(clock)),
        leases=ProcessLeases(),
        note=nothing.note,
        changes=all_changes(),
        charge=nothing.note,
        held=nothing.held,
        crew=Crew(MemoryState(clock), clock),
        artifacts=MemoryArtifacts(),
        clock=clock,
    )


class Nothing:
    """Every port at once, without a world behind it."""

    def names(self) -> list[str]:
        """No probe."""
        return []

    async def run(self, names: Sequence[str] | None = None, services: Sequence[str] | None = None) -> list[Reading]:
        """No reading."""
        return []

    async def gather(self, incident: str, alerts: Sequence[Alert], extra: Sequence[Reading], look: int) -> Bundle:
        """An empty bundle that says why."""
        return Bundle(id=incident, problems=(NO_HOME,))

    async def search(self, query: str, *, limit: int = 5, kinds: tuple[str, ...] = ()) -> list[Passage]:
        """No passage."""
        return []

    async def remember(self, incident: str, title: str, text: str, metadata: dict[str, Any]) -> str:
        """Nowhere."""
        return ""

    async def held(self) -> Held:
        return Held()

    async def note(self, kind: str, change: str, content: dict[str, Any]) -> None:
        """There is no ledger."""

    async def specs(self) -> list[ActionSpec]:
        """No action."""
        return []

    async def judge(self, plan: Plan, actor: Actor) -> list[Judgement]:
        """Everything is denied."""
        now = SystemClock().now()
        return [Judgement(step_id=s.id, verdict=Verdict.DENY, judged_at=now) for s in plan.steps]

    async def apply(self, plan_id: str, step_id: str, actor: Actor, approval_id: str | None = None) -> Receipt:
        """Denied."""
        return Receipt(step_id=step_id, verdict=Verdict.DENY, outcome=Outcome.SKIPPED, summary=NO_HOME)

    async def compensate(self, plan_id: str, step_id: str, actor: Actor) -> Receipt:
        """Denied."""
        return await self.apply(plan_id, step_id, actor)

    async def approval(self, approval_id: str) -> Approval:
        """There is none."""
        raise NotFoundError(f"there is no approval {approval_id}")

    async def approvals(self, *, open_only: bool = False, change: str | None = None) -> list[Approval]:
        """None."""
        return []

    async def withdraw(self, approval_id: str, ended: Withdrawal) -> Approval:
        """There is none."""
        return await self.approval(approval_id)

    async def status(self) -> GuardStatus:
        """As if nothing had happened yet."""
        return GuardStatus()
