"""The patient where it is a namespace: whoever may change its objects, and whether its workloads serve."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from pydantic import ValidationError

from chaos.cluster.edit import Object
from chaos.errors import ChaosError, PatientError
from chaos.site import StackProcess, StackStatus, Visit
from domain.cluster import Declared, declared
from domain.inventory import Inventory, Service
from domain.workloads import complete, named, wanted_pods


class Cluster(Protocol):
    """One namespace, with the right to break it."""

    async def get(self, kind: str, name: str) -> Object | None:
        """None when there is none. Raises PatientError."""
        ...

    async def list(self, kind: str) -> list[Object]:
        """All objects of a kind. Raises PatientError."""
        ...

    async def put(self, thing: Object) -> None:
        """Put an object back whole; its version must be the current one. Raises PatientError."""
        ...

    async def create(self, thing: Object) -> None:
        """Make an object. Raises PatientError when it is there."""
        ...

    async def delete(self, kind: str, name: str) -> None:
        """No error when it is gone. Raises PatientError."""
        ...


Reach = Callable[[Service], AbstractAsyncContextManager[Cluster]]
"""Opens the namespace of a service. Raises ChaosError when its TARGET file does not allow that."""


def breakable(inventory: Inventory) -> list[Service]:
    """Services of clusters that allow chaos; no fault here knows how to break a daemon set."""
    return [s for s in inventory.services if s.chaos and "kubernetes" in s.bindings and not _on_every_node(s)]


def _on_every_node(service: Service) -> bool:
    return str(service.bindings["kubernetes"].options.get("workload", "")).startswith("daemonset/")


def needs_of(service: Service) -> Declared:
    """What the inventory declares. Raises ChaosError."""
    try:
        return declared(service.bindings["kubernetes"])
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        found = f"options.{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
        text = f"the kubernetes binding of {service.name} cannot be read"
        raise ChaosError(text, expected="options as the inventory's how-to describes them", found=found) from error


def rolled_out(workload: Object | None) -> bool:
    """Every pod that is wanted is of the newest template and serves; wanting none is no service."""
    return workload is not None and wanted_pods(workload) > 0 and complete(workload)


class ClusterUsers:
    """Implements Shop and Control for namespaces: a visit finds every workload rolled out and, where declared, endpoints."""

    def __init__(self, inventory: Callable[[], Inventory], reach: Reach) -> None:
        self._inventory = inventory
        self._reach = reach

    async def visit(self) -> Visit:
        began = time.monotonic()
        try:
            down = [p.name for p in (await self.status()).processes if p.state != "running"]
        except ChaosError as error:
            return Visit(ok=False, ms=_since(began), text=error.message)
        text = f"{', '.join(down)} does not serve" if down else "every workload serves"
        return Visit(ok=not down, ms=_since(began), text=text)

    async def metrics(self, service: str) -> Mapping[str, float]:
        return {}

    async def status(self) -> StackStatus:
        rows = [StackProcess(name=s.name, state=await self._state(s)) for s in breakable(self._inventory())]
        return StackStatus(processes=rows)

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        raise PatientError("a cluster has no control endpoint", expected="the local stack", found=path)

    async def _state(self, service: Service) -> str:
        needs = needs_of(service)
        async with self._reach(service) as cluster:
            served = rolled_out(await cluster.get(*named(needs.workload)))
            if served and needs.service:
                endpoints = await cluster.get("Endpoints", needs.service)
                served = any(subset.get("addresses") for subset in (endpoints or {}).get("subsets") or [])
        return "running" if served else "crashed"


def _since(began: float) -> float:
    return (time.monotonic() - began) * 1000
