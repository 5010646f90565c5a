"""A batch client downloads so slowly, and so often at once, that no connection is left for anyone else."""

from __future__ import annotations

from pydantic import Field

from chaos.errors import ChaosError
from chaos.model import Durability, FaultSpec, Magnitude, Note, Observation, Undo
from chaos.patient import new_state_file, start_workload, stop_workload, users_suffer, workload_at_work, workload_gone
from chaos.site import Site
from domain.value import Value


class SlowDownloads(Value):
    """The client's manners."""

    clients: int = 5
    """Downloads at once; at least as many as the pool has connections are opened."""
    bytes_per_s: int = Field(default=40_000, gt=0)
    """Per download. Slow enough to last for minutes, quick enough to notice within seconds that the other end is gone."""


class PoolExhaustion:
    """Each download holds a connection of the api's pool for as long as it lasts; a client that is cut comes back."""

    spec = FaultSpec(
        name="pool_exhaustion",
        family="database",
        service="api",
        summary="slow downloads hold every connection of the api's pool",
        parameters=SlowDownloads,
        ladder={Magnitude.LOW: {"clients": 5}, Magnitude.MEDIUM: {"clients": 5}, Magnitude.HIGH: {"clients": 8}},
        durability=Durability.WORKLOAD,
    )

    async def prepare(self, site: Site, parameters: SlowDownloads) -> Undo:
        status = await site.control.status()
        door = status.process("proxy-api") or status.process("api")
        if door is None or door.port is None:
            raise ChaosError("the api has no address", expected="a port of proxy-api or api", found="none")
        clients = max(parameters.clients, status.pool_size or 0)
        return {"state_file": new_state_file(site), "port": door.port, "clients": clients}

    async def inject(self, site: Site, parameters: SlowDownloads, undo: Undo, note: Note) -> None:
        orders = {
            "host": "127.0.0.1",
            "port": undo["port"],
            "path": "/api/export",
            "clients": undo["clients"],
            "bytes_per_s": parameters.bytes_per_s,
        }
        await start_workload(site, undo, "exports", orders, note)

    async def receipt(self, site: Site, undo: Undo) -> list[Observation]:
        held = await workload_at_work(site, undo, undo["clients"], seconds=1.0)
        return [held, await users_suffer(site)]

    async def restore(self, site: Site, undo: Undo) -> None:
        await stop_workload(site, undo)

    async def cleared(self, site: Site, undo: Undo) -> list[Observation]:
        return [workload_gone(site, undo)]

    async def retrigger(self, site: Site, undo: Undo) -> list[Observation]:
        return [await workload_at_work(site, undo, undo["clients"])]
