"""A healthy deploy just before a false alert: suspicious, and not at fault."""

from __future__ import annotations

from chaos.model import FaultSpec, Magnitude, Note, Observation, Undo
from chaos.oracle import steady_state
from chaos.site import Site
from domain.value import Value


class Redeploy(Value):
    """No parameters: the other healthy release goes out."""


class RedHerringDeploy:
    """A real rolling deploy of a healthy release; users are served before, meanwhile and after."""

    spec = FaultSpec(
        name="red_herring_deploy",
        family="abstain",
        service="api",
        summary="a healthy deploy, and a false alert right after it",
        parameters=Redeploy,
        ladder={Magnitude.MEDIUM: {}},
        abstain=True,
        page={
            "title": "Shop problems after the deploy?",
            "summary": "A customer complained shortly after today's deploy. Please check whether the deploy is at fault.",
        },
    )

    async def prepare(self, site: Site, parameters: Redeploy) -> Undo:
        former = str((await site.control.status()).release.get("version", "v1"))
        return {"former": former, "deployed": "v1" if former == "v2" else "v2"}

    async def inject(self, site: Site, parameters: Redeploy, undo: Undo, note: Note) -> None:
        await site.control.post("/release", {"version": undo["deployed"]})

    async def receipt(self, site: Site, undo: Undo) -> list[Observation]:
        return [await _released(site, undo["deployed"]), *await steady_state(site)]

    async def restore(self, site: Site, undo: Undo) -> None:
        await site.control.post("/release", {"version": undo["former"]})

    async def cleared(self, site: Site, undo: Undo) -> list[Observation]:
        return [await _released(site, undo["former"])]

    async def retrigger(self, site: Site, undo: Undo) -> list[Observation]:
        return []


async def _released(site: Site, version: str) -> Observation:
    found = (await site.control.status()).release.get("version")
    return Observation(name="release", ok=found == version, text=f"{found} serves")
