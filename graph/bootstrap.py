"""Everything of the app process put together: built without I/O, opened and closed around serving."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from agents.chat import Chat
from agents.negotiator import Negotiator
from agents.perception import diagnose
from contracts.enforcement.yard import Yard
from domain.clock import Clock, SystemClock
from domain.drills import Drills
from domain.errors import ConfigError
from domain.injection import FaultInjector
from domain.inventory import Inventory
from domain.reasoning import Reasoner
from governance.guard.client import HttpGuard
from governance.health import Circuits
from governance.state.crew import Crew
from governance.state.memory import MemoryState
from graph.artifacts import FileArtifacts
from graph.changes import all_changes
from graph.checkpoint.opening import LateLeases
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
from graph.held import held_against
from graph.house import House, holder, knobs_of
from graph.minds import reasoner_of
from graph.outgoing.courier import Courier
from graph.outgoing.sqlite import Outbox
from graph.outgoing.tail import LedgerTail
from graph.pipelines.runner import PipelineRunner
from graph.pipelines.stages import Bindings
from graph.quiet import Quiet, any_quiet, quiet_times
from graph.records.opening import Records, open_records
from graph.runner import IncidentRunner, Outside
from graph.services import AGENT, Minds, Services
from graph.settings import Settings
from graph.skills.bench import bench_of
from graph.skills.incident import IncidentSkills
from graph.skills.looks import open_alerts
from graph.skills.missions import Missions
from graph.skills.rehearsals import Rehearsals
from graph.skills.runner import SkillRunner
from graph.skills.standing import Standings
from graph.sources import Sources, sources_of
from graph.voices import drafted_note, ledger_charge, ledger_note, pass_answer, pass_taking, person_says
from rag.store import RagStore, open_store
from tools.intake import normalise
from tools.kubernetes.dump import LivePlatform
from tools.probes.runner import ProbeRunner
from tools.telemetry.embedded import SqliteTelemetry
from tools.versions import memory_by_version


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
    parts = _parts(settings, inventory, env, root, clock or SystemClock())
    bargains = _bargains(parts)
    released = Released(*kept_releases(settings.home), parts.clock, diffs(inventory, root, bargains.based_on))
    services = _services(parts, released)
    bench = bench_of(
        services, settings, env, parts.circuits, open_alerts(parts.records.incidents, parts.clock), root=root
    )
    house = _house(parts, replace(services, released=released, skilled=IncidentSkills(bench)))
    house.pipelines = _pipelines(house, drills)
    house.skills = SkillRunner(bench, parts.leases, holder(settings))
    house.rehearsals = Rehearsals(house.skills, faults, hands_off=knobs_of(settings).hands_off)
    house.missions = Missions(house.skills, settings.home / "skills" / "missions")
    house.standings = Standings(house.skills.bench, person_says(parts.guard))
    house.bargains = bargains
    yard = yard_of(services, parts.sources.telemetry, memory_by_version)
    house.trials = _trials(house, HouseGround(yard, parts.probes, env, root))
    house.rollouts = _rollouts(house, yard)
    house.pulls = pulls_of(settings, inventory, bargains, house.rollouts, parts.guard)
    quiet = quiet_times(inventory, env, parts.clock, parts.circuits.of("alertmanager"), root=root)
    house.responder = _responder(house, any_quiet(house.trials.quiet, quiet))
    house.courier = Courier(inventory, house.records.events, house.outbox, env, parts.clock)
    telling = house.responder.telling
    house.tail = LedgerTail(parts.guard, telling.observed, telling.followed, parts.clock)
    return house


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What everything else is put together from."""

    settings: Settings
    inventory: Inventory
    root: Path
    clock: Clock
    circuits: Circuits
    guard: HttpGuard
    telemetry: SqliteTelemetry
    documents: RagStore
    probes: ProbeRunner
    reasoner: Reasoner
    leases: LateLeases
    records: Records
    sources: Sources
    platform: LivePlatform


def _parts(settings: Settings, inventory: Inventory, env: Mapping[str, str], root: Path, clock: Clock) -> _Parts:
    circuits = Circuits(clock)
    guard = HttpGuard(_action_url(env), _agent_token(settings.home), breaker=circuits.of("action_server"))
    settings.home.mkdir(parents=True, exist_ok=True)
    telemetry = SqliteTelemetry(settings.home / "telemetry.db")
    return _Parts(
        settings=settings,
        inventory=inventory,
        root=root,
        clock=clock,
        circuits=circuits,
        guard=guard,
        telemetry=telemetry,
        documents=open_store(settings.home / "rag"),
        probes=ProbeRunner(inventory, env, root=root),
        reasoner=reasoner_of(settings, inventory.model, clock, circuits.of("model")),
        leases=LateLeases(),
        records=open_records(settings.home / "incidents.db"),
        sources=sources_of(telemetry, settings, inventory, env, clock, circuits, root=root),
        platform=LivePlatform(inventory, root, clock, env),
    )


def _house(parts: _Parts, services: Services) -> House:
    """The house with its stores, before anybody works in it."""
    return House(
        settings=parts.settings,
        inventory=parts.inventory,
        guard=parts.guard,
        telemetry=parts.telemetry,
        sources=parts.sources,
        documents=parts.documents,
        reasoner=parts.reasoner,
        outbox=Outbox(parts.settings.home / "webhooks.db"),
        records=parts.records,
        services=services,
        leases=parts.leases,
        circuits=parts.circuits,
    )


def _services(parts: _Parts, released: Released) -> Services:
    """What the nodes of a run work with. Releases under a contract are changes like others, and more telling."""
    inventory, clock, telemetry = parts.inventory, parts.clock, parts.sources.telemetry
    recorded = released.among(all_changes(telemetry.changes, parts.records.inbox.changes))
    changes = ReadDeploys(recorded, inventory, parts.root)
    return Services(
        inventory=inventory,
        gather=LiveGather(
            inventory,
            telemetry,
            parts.probes,
            clock,
            parts.sources.gaps,
            changes,
            parts.sources.origins,
            parts.platform,
            parts.records.incidents.mended_since,
        ),
        diagnose=diagnose,
        probes=parts.probes,
        retriever=parts.documents,
        cases=parts.documents,
        guard=parts.guard,
        minds=Minds.of(parts.reasoner),
        leases=parts.leases,
        note=ledger_note(parts.guard),
        changes=changes,
        charge=ledger_charge(parts.guard),
        held=held_against(parts.guard, AGENT),
        crew=Crew(MemoryState(clock), clock),
        artifacts=FileArtifacts(parts.settings.home / "artifacts"),
        clock=clock,
    )


def _bargains(parts: _Parts) -> Bargains:
    return Bargains(
        parts.settings.home / "contracts",
        note=drafted_note(parts.guard),
        say=person_says(parts.guard, "contract"),
        place=placing(parts.telemetry, parts.inventory, parts.clock),
        clock=parts.clock,
        negotiator=Negotiator(parts.reasoner),
    )


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
