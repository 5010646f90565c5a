"""Places on the tests' small API server: a namespace of its own for every attempt, broken by changing its objects.

Nothing is pretended: the real client over TLS, the real guard with its ledger, the product's own actions, probes and runners.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agents.perception.engine import diagnose
from domain.alert import Alert, Change
from domain.bundle import LogLine, Series, Span, Window
from domain.clock import Clock, ManualClock
from domain.inventory import Binding, Environment, Inventory, Mode, Service
from domain.runner import Runner
from graph.gather import LiveGather
from graph.skills.looks import Looks
from skills.bench import Bench
from skills.evaluation.task import Task
from skills.shelf import Shelf
from skills.store import SkillStore
from skills.vocabulary import Vocabulary, registered
from tests.fakes.cluster.kinds import BY_KIND
from tests.fakes.cluster.server import ClusterServer
from tests.fakes.cluster.shop import Shop
from tests.fakes.guard import Scene
from tools.kubernetes.dump import LivePlatform
from tools.probes.runner import ProbeRunner
from tools.registry import ActionRegistry
from tools.runners.choose import reading_runner

PARTS = {"Deployment": "spec", "ConfigMap": "data", "NetworkPolicy": "spec", "Role": "rules", "RoleBinding": "subjects"}
"""Kind → what somebody declares in it."""
PRODUCTION = "_in_production"
HOST = {"name": "DB_HOST", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "DB_HOST"}}}
NEEDS = {"name": "NEEDS_PERMISSION", "value": "get configmaps"}


def container(deployment: Any) -> dict[str, Any]:
    found: dict[str, Any] = deployment["spec"]["template"]["spec"]["containers"][0]
    return found


def restart(shop: Shop) -> None:
    stamp = {"annotations": {"restarted": "by hand"}}
    shop.change("Deployment", "web", lambda d: d["spec"]["template"]["metadata"].update(stamp))


def release(shop: Shop, image: str, *more: dict[str, Any]) -> None:
    def change(deployment: Any) -> None:
        found = container(deployment)
        found.update(image=image, env=[*found["env"], *more])

    shop.change("Deployment", "web", change)


def scale(shop: Shop, name: str, replicas: int) -> None:
    shop.change("Deployment", name, lambda d: d["spec"].update(replicas=replicas))


def setting(shop: Shop, key: str, value: str) -> None:
    shop.change("ConfigMap", "settings", lambda c: c["data"].update({key: value}))


def admitted(shop: Shop, *ports: int) -> None:
    web = {"podSelector": {"matchLabels": {"app": "web"}}}
    rules = [{"from": [web], "ports": [{"protocol": "TCP", "port": port}]} for port in ports]
    shop.change("NetworkPolicy", "closed", lambda p: p["spec"].update(ingress=rules))


def removed(shop: Shop, kind: str, name: str) -> None:
    with shop.cluster.store.lock:
        shop.cluster.store.delete(BY_KIND[kind], shop.namespace, name)


def wrong_host(shop: Shop) -> None:
    setting(shop, "DB_HOST", "database")
    restart(shop)


def service_deleted(shop: Shop) -> None:
    removed(shop, "Service", "db")
    admitted(shop)


def crashed_after_rollback(shop: Shop) -> None:
    """Somebody went back to the first release, and a third one crashes on top of it."""
    release(shop, "shop/web:1")
    release(shop, "shop/web:crashing")


def stale_configuration(shop: Shop) -> None:
    wrong_host(shop)
    setting(shop, "DB_HOST", "db")


FAULTS: Mapping[str, Callable[[Shop], None]] = {
    "": lambda shop: None,
    "scaled_to_zero": lambda shop: scale(shop, "web", 0),
    "scaled_to_zero_in_production": lambda shop: scale(shop, "web", 0),
    "database_down": lambda shop: scale(shop, "db", 0),
    "bad_image": lambda shop: release(shop, "shop/web:missing"),
    "crashing_release": lambda shop: release(shop, "shop/web:crashing"),
    "permission_missing": lambda shop: release(shop, "shop/web:3", NEEDS),
    "wrong_host": wrong_host,
    "stale_configuration": stale_configuration,
    "mode_changed": lambda shop: setting(shop, "MODE", "fast"),
    "path_closed": lambda shop: admitted(shop),
    "service_deleted": service_deleted,
    "crashed_after_rollback": crashed_after_rollback,
}
"""What a task may break, with what an administrator would have typed by mistake."""


def furnished(shop: Shop) -> None:
    """A second revision of web that needs the database: the first one did not."""
    setting(shop, "DB_HOST", "db")
    admitted(shop, 5432)
    release(shop, "shop/web:2", HOST)


def inventory_of(target: Path, environment: Environment) -> Inventory:
    """Web and its database, in one namespace."""

    def service(name: str, kind: str) -> Service:
        binding = Binding(via="kubernetes", path=str(target), options={"workload": name, "replicas": 2})
        return Service(name=name, kind=kind, environment=environment, mode=Mode.ACT, bindings={"kubernetes": binding})

    return Inventory(services=[service("web", "api"), service("db", "database")])


class ClusterPlace:
    """One namespace with its own guard."""

    def __init__(self, shop: Shop, shelf: Shelf, environment: Environment) -> None:
        self._shop = shop
        inventory = inventory_of(shop.write_target(), environment)
        self._inventory = inventory
        self._env = env = {"FIREBREAK_HOME": str(shop.folder / "home")}
        clock = ManualClock()
        registry: Any = ActionRegistry(inventory, env, root=shop.folder, clock=clock)
        self._bench = Bench(
            inventory=inventory,
            words=registered(inventory),
            probes=self._looks(ProbeRunner(inventory, env, root=shop.folder), clock),
            guard=Scene(inventory=inventory, executor=registry, clock=clock).agent,
            shelf=shelf,
            store=SkillStore(shop.folder / "skills"),
            clock=clock,
            note=_nothing,
            reader=self._reader,
        )

    def _looks(self, probes: ProbeRunner, clock: Clock) -> Looks:
        """Probes, and analyses of the objects of the namespace; nothing else is measured here."""
        platform = LivePlatform(self._inventory, self._shop.folder, clock, {})
        gather = LiveGather(self._inventory, Unmeasured(), probes, clock, platform=platform)
        return Looks(probes, gather, diagnose, _no_alerts, clock)

    def _reader(self, name: str) -> Runner | None:
        service = self._inventory.service(name)
        return reading_runner(service, self._env, self._shop.folder) if service else None

    @property
    def bench(self) -> Bench:
        """See Place."""
        return self._bench

    async def state(self) -> str:
        """See Place."""
        with self._shop.cluster.store.lock:
            return "\n".join(sorted(self._declared()))

    def _declared(self) -> list[str]:
        found = []
        for text in self._shop.objects():
            thing = json.loads(text)
            part = PARTS.get(thing["kind"])
            if part is None:
                continue
            body = thing.get(part)
            if thing["kind"] == "Deployment":
                body["template"]["metadata"].pop("annotations", None)
            found.append(json.dumps([thing["kind"], thing["metadata"]["name"], body], sort_keys=True))
        return found


class ClusterArena:
    """A namespace per attempt on one server."""

    def __init__(self, cluster: ClusterServer, folder: Path, shelf: Shelf) -> None:
        self._cluster, self._folder, self._shelf = cluster, folder, shelf
        self._numbers = itertools.count(1)

    def with_shelf(self, shelf: Shelf) -> ClusterArena:
        """The same server with other skills."""
        other = ClusterArena(self._cluster, self._folder, shelf)
        other._numbers = self._numbers
        return other

    @asynccontextmanager
    async def broken(self, task: Task) -> AsyncIterator[ClusterPlace]:
        """See Arena."""
        folder = self._folder / f"n{next(self._numbers)}"
        folder.mkdir()
        shop = Shop.made(self._cluster, folder)
        furnished(shop)
        FAULTS[task.fault](shop)
        environment = Environment.PRODUCTION if task.fault.endswith(PRODUCTION) else Environment.SANDBOX
        yield ClusterPlace(shop, self._shelf, environment)


class Unmeasured:
    """Telemetry of a namespace that nobody scrapes."""

    async def series(self, window: Window, **asked: Any) -> list[Series]:
        return []

    async def logs(self, window: Window, **asked: Any) -> list[LogLine]:
        return []

    async def spans(self, window: Window, **asked: Any) -> list[Span]:
        return []

    async def changes(self, window: Window) -> list[Change]:
        return []


async def _no_alerts() -> list[Alert]:
    return []


async def _nothing(kind: str, change: str, content: dict[str, Any]) -> None:
    """Only the guard's own entries are kept."""


def words() -> Vocabulary:
    """What the benchmark's skills are checked against."""
    return registered(inventory_of(Path("target.yaml"), Environment.SANDBOX))
