"""Everything of the app process put together: built without I/O, opened and closed around serving."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from agents.chat import Chat
from agents.perception import diagnose
from contracts.enforcement.yard import Yard
from domain.clock import Clock, SystemClock
from domain.drills import Drills
from domain.errors import ConfigError, FirebreakError, Transient
from domain.guard import Approval, ApprovalAnswer, LedgerEntry
from domain.incident import Incident
from domain.injection import FaultInjector
from domain.inventory import Inventory
from domain.reasoning import Reasoner
from governance.guard.client import HttpGuard
from governance.guard.trust import CLOSING
from governance.health import Circuits, DependencyHealth
from governance.health import Condition as DependencyCondition
from governance.reporting import SUSPICION
from governance.state.crew import Crew
from governance.state.memory import MemoryState
from governance.state.redis import RedisState
from graph.artifacts import FileArtifacts
from graph.build import build
from graph.changes import all_changes
from graph.checkpoint.lease import Lease, Leases, ProcessLeases
from graph.checkpoint.redis import RedisSaver
from graph.checkpoint.sqlite import open_sqlite_saver
from graph.contracts.bargains import Bargains
from graph.contracts.ground import HouseGround
from graph.contracts.hub import pulls_of
from graph.contracts.placing import placing
from graph.contracts.released import Released, diffs, kept_releases
from graph.contracts.rollouts import Rollouts
from graph.contracts.trials import Trials
from graph.contracts.yard import serving_version, yard_of
from graph.deploys import ReadDeploys
from graph.gather import LiveGather
from graph.heart import Heart
from graph.held import held_against
from graph.minds import reasoner_of
from graph.outgoing.courier import Courier
from graph.outgoing.sqlite import Outbox
from graph.outgoing.tail import LedgerTail, stop
from graph.pipelines.runner import PipelineRunner
from graph.pipelines.stages import Bindings
from graph.quiet import Quiet, any_quiet, quiet_times
from graph.records.sqlite import SqliteRecords
from graph.runner import IncidentRunner, Outside
from graph.services import AGENT, Charge, Minds, Services
from graph.settings import Settings
from graph.skills.bench import bench_of
from graph.skills.incident import IncidentSkills
from graph.skills.looks import open_alerts
from graph.skills.missions import Missions
from graph.skills.rehearsals import Rehearsals
from graph.skills.runner import SkillRunner
from graph.skills.standing import Standings
from graph.sources import Sources, sources_of
from graph.state import Knobs
from graph.threads import Threads
from rag.store import RagStore, open_store
from tools.intake import normalise
from tools.kubernetes.dump import LivePlatform
from tools.probes.runner import ProbeRunner
from tools.telemetry.embedded import SqliteTelemetry
from tools.versions import memory_by_version

if TYPE_CHECKING:
    from graph.contracts.pulls import Pulls

log = structlog.get_logger(__name__)
Answering = Callable[[], Awaitable[Any]]


class LateLeases:
    """Leases that exist only once the checkpointer is open; the graph is described before."""

    def __init__(self) -> None:
        self.inner: Leases = ProcessLeases()

    async def acquire(self, thread: str, holder: str, ttl_s: float) -> Lease | None:
        """See Leases."""
        return await self.inner.acquire(thread, holder, ttl_s)

    async def renew(self, lease: Lease, ttl_s: float) -> None:
        """See Leases."""
        await self.inner.renew(lease, ttl_s)

    async def check(self, thread: str) -> None:
        """See Leases."""
        await self.inner.check(thread)

    async def release(self, lease: Lease) -> None:
        """See Leases."""
        await self.inner.release(lease)


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
    records: SqliteRecords
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
            "store": lambda: self.records.rows(1),
            "checkpoints": self._ping,
            "action_server": self.guard.status,
            "telemetry": self._telemetry_age,
        }
        found = dict(zip(checks, await asyncio.gather(*(answers(c) for c in checks.values())), strict=True))
        model = self.circuits.of("model").health().condition is not DependencyCondition.DOWN
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


def with_circuits(found: dict[str, Any], circuits: Sequence[DependencyHealth]) -> dict[str, Any]:
    """What the looks found, and how the breakers around the same dependencies stand. A breaker alone is its own row."""
    names = {"redis": "checkpoints"}
    told = {name: dict(row) for name, row in found.items()}
    for health in circuits:
        fresh = {"ok": health.condition is not DependencyCondition.DOWN, "detail": health.last_error}
        row = told.setdefault(names.get(health.name, health.name), fresh)
        row |= {"condition": health.condition.value, "circuit": health.circuit.value}
        row |= {"retry_after_s": health.retry_after_s} if health.retry_after_s else {}
    return told


async def answers(check: Answering) -> dict[str, Any]:
    """Whether a dependency answers within two seconds, and what it says."""
    try:
        async with asyncio.timeout(2.0):
            said = await check()
    except FirebreakError as error:
        return {"ok": False, "detail": error.message}
    except Exception as error:
        return {"ok": False, "detail": type(error).__name__}
    return {"ok": True, "detail": said if isinstance(said, str) else ""}


@asynccontextmanager
async def open_saver(settings: Settings) -> AsyncIterator[Any]:
    """The checkpointer of a home: Redis where there is one, else SQLite in the home; closed afterwards."""
    url = redis_url(settings)
    if not url:
        async with open_sqlite_saver(settings.home / "checkpoints.db") as sqlite:
            yield sqlite
        return
    redis = RedisSaver(url)
    try:
        yield redis
    finally:
        await redis.aclose()


def redis_url(settings: Settings) -> str:
    """REDIS_URL, else the embedded server's socket when it is there, else empty: SQLite."""
    if settings.redis_url is not None:
        return settings.redis_url.get_secret_value()
    socket = settings.home / "redis" / "redis.sock"
    return f"unix://{socket.resolve()}" if socket.exists() else ""


def build_house(
    settings: Settings,
    inventory: Inventory,
    env: Mapping[str, str],
    *,
    root: Path,
    clock: Clock | None = None,
    drills: Drills | None = None,
    faults: FaultInjector | None = None,
) -> House:
    """Bind everything; no connection is made yet.

    `env` names the action server (FIREBREAK_ACTION_URL) and holds the read-only credentials that bindings name; `root` is
    the inventory file's folder. Raises ConfigError when the action server or the agent's token is unknown.
    """
    clock = clock or SystemClock()
    circuits = Circuits(clock)
    guard = HttpGuard(_action_url(env), _agent_token(settings.home), breaker=circuits.of("action_server"))
    settings.home.mkdir(parents=True, exist_ok=True)
    telemetry = SqliteTelemetry(settings.home / "telemetry.db")
    documents = open_store(settings.home / "rag")
    probes = ProbeRunner(inventory, env, root=root)
    reasoner = reasoner_of(settings, inventory.model, clock, circuits.of("model"))
    leases = LateLeases()
    records = SqliteRecords(settings.home / "incidents.db")
    sources = sources_of(telemetry, settings, inventory, env, clock, circuits, root=root)
    bargains = Bargains(
        settings.home / "contracts",
        note=drafted_note(guard),
        say=person_says(guard, "contract"),
        place=placing(telemetry, inventory, clock),
        clock=clock,
    )
    released = Released(*kept_releases(settings.home), clock, diffs(inventory, root, bargains.based_on))
    recorded = released.among(all_changes(sources.telemetry.changes, records.changes))
    changes = ReadDeploys(recorded, inventory, root)
    services = Services(
        inventory=inventory,
        gather=LiveGather(
            inventory,
            sources.telemetry,
            probes,
            clock,
            sources.gaps,
            changes,
            sources.origins,
            LivePlatform(inventory, root or Path.cwd(), clock),
            records.mended_since,
        ),
        diagnose=diagnose,
        probes=probes,
        retriever=documents,
        cases=documents,
        guard=guard,
        minds=Minds.of(reasoner),
        leases=leases,
        note=ledger_note(guard),
        changes=changes,
        charge=ledger_charge(guard),
        held=held_against(guard, AGENT),
        crew=Crew(MemoryState(clock), clock),
        artifacts=FileArtifacts(settings.home / "artifacts"),
        clock=clock,
    )
    bench = bench_of(services, settings, env, circuits, open_alerts(records, clock), root=root)
    services = replace(services, released=released, skilled=IncidentSkills(bench))
    house = House(
        settings=settings,
        inventory=inventory,
        guard=guard,
        telemetry=telemetry,
        sources=sources,
        documents=documents,
        reasoner=reasoner,
        outbox=Outbox(settings.home / "webhooks.db"),
        records=records,
        services=services,
        leases=leases,
        circuits=circuits,
    )
    house.pipelines = _pipelines(house, drills)
    house.skills = SkillRunner(bench, leases, holder(settings))
    house.rehearsals = Rehearsals(house.skills, faults, hands_off=knobs_of(settings).hands_off)
    house.missions = Missions(house.skills, settings.home / "skills" / "missions")
    house.bargains = bargains
    house.standings = Standings(house.skills.bench, person_says(guard))
    yard = yard_of(services, sources.telemetry, memory_by_version)
    house.trials = _trials(house, HouseGround(yard, probes, env, root))
    house.rollouts = _rollouts(house, yard)
    house.pulls = pulls_of(house.settings, inventory, house.bargains, house.rollouts, guard)
    quiet = quiet_times(inventory, env, clock, circuits.of("alertmanager"), root=root)
    house.responder = _responder(house, any_quiet(house.trials.quiet, quiet))
    house.courier = Courier(inventory, house.records, house.outbox, env, clock)
    telling = house.responder.telling
    house.tail = LedgerTail(guard, telling.observed, telling.followed, clock)
    return house


def _responder(house: House, quiet: Quiet) -> IncidentRunner:
    outside = Outside(
        normalise=normalise,
        pass_answer=pass_answer(house.guard),
        pass_taking=pass_taking(house.guard),
        chat=Chat(house.reasoner),
        health=house.health,
        quiet=quiet,
    )
    return IncidentRunner(services=house.services, records=house.records, threads=house.threads, outside=outside)


def _pipelines(house: House, drills: Drills | None) -> PipelineRunner:
    return PipelineRunner(
        bindings=Bindings(services=house.services, drills=drills),
        leases=house.leases,
        folder=house.settings.home / "pipelines",
        say=person_says(house.guard),
        knobs=knobs_of(house.settings),
        holder=holder(house.settings),
    )


def _trials(house: House, ground: HouseGround) -> Trials:
    async def serving(service: str) -> str:
        house.rollouts.refuse(service)
        return await serving_version(house.services.probes, service)

    return Trials(ground.ground, kept_releases(house.settings.home)[1], house.bargains, serving)


def _rollouts(house: House, yard: Yard) -> Rollouts:
    async def serving(service: str) -> str:
        house.trials.refuse()
        return await serving_version(house.services.probes, service)

    return Rollouts(
        yard, house.settings.home / "rollouts", house.leases, holder(house.settings), serving, house.bargains
    )


@asynccontextmanager
async def open_services(
    settings: Settings, inventory: Inventory, env: Mapping[str, str], *, root: Path
) -> AsyncIterator[House]:
    """A house that is started, and closed afterwards."""
    house = build_house(settings, inventory, env, root=root)
    try:
        await house.start()
        yield house
    finally:
        await house.close()


def knobs_of(settings: Settings) -> Knobs:
    """The knobs of every run of this process."""
    return Knobs(autonomy=settings.autonomy, max_replans=settings.max_replans, verify_s=settings.verify_s)


def holder(settings: Settings) -> str:
    """Who holds leases: the app of this home, also after a restart."""
    return f"app:{settings.home.resolve()}"


def ledger_note(guard: HttpGuard) -> Callable[[str, str, dict[str, Any]], Awaitable[None]]:
    """Observations and decisions go to the ledger; a ledger that is away does not stop a run that only looks.

    A run's last word is said again until it is heard (raises Transient): its record and its approvals hang on it.
    """

    async def note(kind: str, change: str, content: dict[str, Any]) -> None:
        try:
            await guard.record(kind, change, content)
        except FirebreakError as error:
            if kind == CLOSING and isinstance(error, Transient):
                raise
            log.warning("note.not_recorded", kind=kind, change=change, error=error.message)

    return note


def pass_taking(guard: HttpGuard) -> Callable[[str, str, str, bool], Awaitable[None]]:
    """A person takes a change over or gives it back, with the person's own token."""

    async def passed(token: str, change: str, reason: str, taken: bool) -> None:
        async with guard.with_token(token) as person:
            await (person.take if taken else person.give_back)(change, reason)

    return passed


def ledger_charge(guard: HttpGuard) -> Charge:
    """What was seen goes to the ledger, and governance attributes and charges it there. An absent one is told nothing."""

    async def charge(violation: str, change: str, facts: dict[str, Any]) -> None:
        try:
            await guard.record(SUSPICION, change, {"violation": violation, **facts})
        except FirebreakError as error:
            log.warning("suspicion.not_recorded", violation=violation, change=change, error=error.message)

    return charge


def pass_answer(guard: HttpGuard) -> Callable[[str, str, ApprovalAnswer], Awaitable[Approval]]:
    """A person's answer goes to the action server with the person's own token."""

    async def answer(person_token: str, approval_id: str, given: ApprovalAnswer) -> Approval:
        async with guard.with_token(person_token) as person:
            return await person.answer(approval_id, given)

    return answer


def person_says(guard: HttpGuard, kind: str = "gate") -> Callable[[str, str, dict[str, Any]], Awaitable[LedgerEntry]]:
    """A person's word about a pipeline, a skill or a contract goes to the ledger with the person's own token."""

    async def say(person_token: str, run: str, content: dict[str, Any]) -> LedgerEntry:
        async with guard.with_token(person_token) as person:
            return await person.record(kind, run, content)

    return say


def drafted_note(guard: HttpGuard) -> Callable[[str, dict[str, Any]], Awaitable[LedgerEntry]]:
    """That a contract is on the table, as an entry of the app's own."""

    async def note(contract: str, content: dict[str, Any]) -> LedgerEntry:
        return await guard.record("contract drafted", contract, content)

    return note


def _action_url(env: Mapping[str, str]) -> str:
    if url := env.get("FIREBREAK_ACTION_URL"):
        return url
    raise ConfigError(
        "the app does not know its action server",
        expected="FIREBREAK_ACTION_URL",
        found="nothing",
        hint="`firebreak up` starts both and sets it",
    )


def _agent_token(home: Path) -> str:
    path = home / "secrets" / "agent.token"
    try:
        return path.read_text().strip()
    except OSError as error:
        raise ConfigError(
            "the app has no token for the action server", expected=str(path), found="nothing", hint="run `firebreak up`"
        ) from error
