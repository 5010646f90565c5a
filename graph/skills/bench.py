"""The bench of a house: its own probes and guard, the shipped skills, and what the settings add."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from domain.inventory import Inventory
from domain.runner import Runner
from governance.health import Circuits
from graph.services import Services
from graph.settings import Settings
from graph.skills.looks import Looks, OpenAlerts
from graph.skills.minds import minds_of
from graph.sources import first_prometheus
from skills.bench import Bench, Query
from skills.shelf import Shelf
from skills.store import SkillStore
from skills.vocabulary import registered
from tools.runners.choose import reading_runner

SHIPPED = Path(__file__).resolve().parents[2] / "runbooks"
"""The skills that come with the product; those of a home win over them."""


def bench_of(
    services: Services,
    settings: Settings,
    env: Mapping[str, str],
    circuits: Circuits,
    alerts: OpenAlerts,
    *,
    root: Path,
) -> Bench:
    """Nothing is connected before it is used. `root` is the folder that the inventory's paths start from."""
    folder = settings.home / "skills"
    return Bench(
        inventory=services.inventory,
        words=registered(services.inventory),
        probes=Looks(services.probes, services.gather, services.diagnose, alerts, services.clock),
        guard=services.guard,
        shelf=Shelf(folder / "library", SHIPPED),
        store=SkillStore(folder, settings.home / "secrets" / "skill-signing.key"),
        clock=services.clock,
        note=services.note,
        reader=_reader(services.inventory, env, root),
        minds=minds_of(settings, services.inventory.model, circuits, services.clock),
        query=_query(settings, services.inventory, env, root),
        agent=services.agent,
    )


def _query(settings: Settings, inventory: Inventory, env: Mapping[str, str], root: Path) -> Query | None:
    """The first Prometheus that is configured; None when there is none."""
    api = first_prometheus(settings, inventory, env, root=root)
    return api.instant if api else None


def _reader(inventory: Inventory, env: Mapping[str, str], root: Path) -> Callable[[str], Runner | None]:
    """Runners that only read, for the services that have a `host` or a `kubernetes` binding."""

    def reader(target: str) -> Runner | None:
        service = inventory.service(target)
        return reading_runner(service, env, root) if service else None

    return reader
