"""A healthy deploy just before a false alert: suspicious, and not at fault."""

from __future__ import annotations

from chaos.model import FaultSpec, Magnitude, Note, Observation, Undo
from chaos.oracle import steady_state
from chaos.patient import deploy
from chaos.site import Site
from domain.value import Value


class Redeploy(Value):
    """No parameters: the same release goes out again."""


class RedHerringDeploy:
    """A real redeploy of what runs; users are served before and after."""

    spec = FaultSpec(
        name="red_herring_deploy",
        family="abstain",
        service="api",
        summary="a healthy redeploy, and a false alert right after it",
        parameters=Redeploy,
        ladder={Magnitude.MEDIUM: {}},
        abstain=True,
        page={
            "title": "Shop problems after the deploy?",
            "summary": "A customer complained shortly after today's deploy. Please check whether the deploy is at fault.",
        },
    )

    async def prepare(self, site: Site, parameters: Redeploy) -> Undo:
        return {}

    async def inject(self, site: Site, parameters: Redeploy, undo: Undo, note: Note) -> None:
        await deploy(site, "api", "routine redeploy")

    async def receipt(self, site: Site, undo: Undo) -> list[Observation]:
        return await steady_state(site)

    async def restore(self, site: Site, undo: Undo) -> None:
        return

    async def cleared(self, site: Site, undo: Undo) -> list[Observation]:
        return [Observation(name="nothing", ok=True, text="a healthy release stays where it is")]

    async def retrigger(self, site: Site, undo: Undo) -> list[Observation]:
        return []
