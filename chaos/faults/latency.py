"""The link to the database became slow."""

from __future__ import annotations

from chaos.model import FaultSpec, Magnitude, Note, Observation, Undo
from chaos.patient import users_suffer
from chaos.site import Site
from domain.value import Value

LINK = "proxy-db"


class Delay(Value):
    """Added to each direction, in milliseconds."""

    latency_ms: float = 240.0
    jitter_ms: float = 20.0


class Latency:
    """Every packet on the primary route waits; another route exists and is fine."""

    spec = FaultSpec(
        name="latency",
        family="network",
        service=LINK,
        summary="the primary route to the database is slow in both directions",
        parameters=Delay,
        ladder={
            Magnitude.LOW: {"latency_ms": 170.0},
            Magnitude.MEDIUM: {"latency_ms": 240.0},
            Magnitude.HIGH: {"latency_ms": 400.0},
        },
        touches=frozenset({"api"}),
    )

    async def prepare(self, site: Site, parameters: Delay) -> Undo:
        before = await site.proxies.get(LINK)
        return {"before": before, "ours": {**before, **parameters.model_dump()}}

    async def inject(self, site: Site, parameters: Delay, undo: Undo, note: Note) -> None:
        await site.proxies.set(LINK, undo["ours"])

    async def receipt(self, site: Site, undo: Undo) -> list[Observation]:
        found = await site.proxies.get(LINK)
        delayed = Observation(name="link delayed", ok=_ours(found, undo), text=f"{found.get('latency_ms')} ms each way")
        return [delayed, await users_suffer(site)]

    async def restore(self, site: Site, undo: Undo) -> None:
        if _ours(await site.proxies.get(LINK), undo):
            await site.proxies.set(LINK, undo["before"])

    async def cleared(self, site: Site, undo: Undo) -> list[Observation]:
        found = await site.proxies.get(LINK)
        return [Observation(name="link calm", ok=not _ours(found, undo), text=f"{found.get('latency_ms')} ms each way")]

    async def retrigger(self, site: Site, undo: Undo) -> list[Observation]:
        return []


def _ours(found: object, undo: Undo) -> bool:
    return isinstance(found, dict) and found.get("latency_ms") == undo["ours"]["latency_ms"] != undo["before"].get(
        "latency_ms"
    )
