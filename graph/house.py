"""The app's services as one thing that is started before serving and closed afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from domain.errors import FirebreakError
from domain.incident import Incident
from domain.inventory import Inventory
from domain.reasoning import Reasoner
from governance.guard.client import HttpGuard
from governance.health import Circuits, Condition
from governance.state.redis import RedisState
from graph.build import build
from graph.checkpoint.opening import LateLeases, open_saver, redis_url
from graph.checkpoint.redis import RedisSaver
from graph.contracts.bargains import Bargains
from graph.contracts.rollouts import Rollouts
from graph.contracts.trials import Trials
from graph.health import Answering, answers, with_circuits
from graph.heart import Heart
from graph.outgoing.courier import Courier
from graph.outgoing.sqlite import Outbox
from graph.outgoing.tail import LedgerTail, stop
from graph.pipelines.runner import PipelineRunner
from graph.records.opening import Records
from graph.runner import IncidentRunner
from graph.services import Services
from graph.settings import Settings
from graph.skills.missions import Missions
from graph.skills.rehearsals import Rehearsals
from graph.skills.runner import SkillRunner
from graph.skills.standing import Standings
from graph.sources import Sources
from graph.state import Knobs
from graph.threads import Threads
from rag.store import RagStore
from tools.telemetry.embedded import SqliteTelemetry

if TYPE_CHECKING:
    from graph.contracts.pulls import Pulls


@dataclass(kw_only=True)
class House:
    """The app's services. `start` before serving, `close` after; between them `responder` is alive."""

    settings: Settings
    inventory: Inventory
    guard: HttpGuard
    telemetry: SqliteTelemetry
    sources: Sources
    documents: RagStore
    reasoner: Reasoner
    records: Records
    outbox: Outbox
    services: Services
    leases: LateLeases
    circuits: Circuits
    responder: IncidentRunner = field(init=False)
    pipelines: PipelineRunner = field(init=False)
    skills: SkillRunner = field(init=False)
    rehearsals: Rehearsals = field(init=False)
    standings: Standings = field(init=False)
    missions: Missions = field(init=False)
    bargains: Bargains = field(init=False)
    rollouts: Rollouts = field(init=False)
    trials: Trials = field(init=False)
    pulls: Pulls | None = None
    courier: Courier = field(init=False)
    tail: LedgerTail = field(init=False)
    checkpoints: str = "closed"
    """Where runs are remembered: `redis` or `sqlite`, once open."""
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _saver: RedisSaver | None = None
    _opened: Any = None
    """The saver of all runs, once open."""
    _outgoing: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> None:
        """Open the checkpointer, then take up whatever was unfinished."""
        await self.responder.start()
        await self.pipelines.start(self._opened)
        await self.skills.start(self._opened)
        await self.missions.start()
        self.bargains.start(self._opened)
        await self.trials.start()
        await self.rollouts.start()
        if self.pulls is not None:
            await self.pulls.start()
        self._outgoing = [
            asyncio.create_task(self.tail.follow_forever(), name="ledger tail"),
            asyncio.create_task(self.courier.carry_forever(), name="webhooks"),
        ]

    async def close(self) -> None:
        """Stop the runs where they are and close every store."""
        await stop(*self._outgoing)
        if self.pulls is not None:
            await self.pulls.close()
        await self.rollouts.close()
        await self.trials.close()
        await self.missions.close()
        await self.rehearsals.close()
        await self.skills.close()
        await self.pipelines.close()
        await self.responder.close()
        self.outbox.close()
        await self._stack.aclose()
        await self.guard.aclose()
        self.documents.close()

    async def threads(self, save: Callable[[Incident], Awaitable[None]]) -> Threads:
        """The graph over the opened checkpointer."""
        saver = self._opened = await self._stack.enter_async_context(open_saver(self.settings))
        self.checkpoints = "sqlite"
        if isinstance(saver, RedisSaver):
            self.leases.inner, self.checkpoints, self._saver = saver, "redis", saver
            breaker = self.circuits.of("redis")
            shared = RedisState(redis_url(self.settings), self.services.clock, breaker)
            self._stack.push_async_callback(shared.aclose)
            self.services.crew.shared = shared
        graph, heart = build(self.services, saver), Heart(self.services.crew, self.services.agent)
        return Threads(graph, self.leases, save, knobs_of(self.settings), holder(self.settings), heart)

    async def health(self) -> dict[str, Any]:
        """See graph.face."""
        checks: dict[str, Answering] = {
            "store": lambda: self.records.incidents.rows(1),
            "checkpoints": self._ping,
            "action_server": self.guard.status,
            "telemetry": self._telemetry_age,
        }
        found = dict(zip(checks, await asyncio.gather(*(answers(c) for c in checks.values())), strict=True))
        model = self.circuits.of("model").health().condition is not Condition.DOWN
        told = {**found, "model": {"ok": model, "detail": self.reasoner.name}}
        return with_circuits(told, list(self.circuits))

    async def _ping(self) -> str:
        if self._saver is not None:
            await self._saver.ping()
        return self.checkpoints

    async def _telemetry_age(self) -> str:
        last = await self.telemetry.heartbeat()
        if last is None:
            raise FirebreakError("the collector has written nothing yet")
        age = self.services.clock.now().timestamp() - last
        if age > 15:
            raise FirebreakError(f"the collector's last sign of life is {age:.0f} s old")
        return f"{age:.0f} s old"


def knobs_of(settings: Settings) -> Knobs:
    """The knobs of every run of this process."""
    return Knobs(autonomy=settings.autonomy, max_replans=settings.max_replans, verify_s=settings.verify_s)


def holder(settings: Settings) -> str:
    """Who holds leases: the app of this home, also after a restart."""
    return f"app:{settings.home.resolve()}"
