"""Nothing is wrong; somebody's pager says so all the same."""

from __future__ import annotations

from chaos.model import FaultSpec, Magnitude, Note, Observation, Undo
from chaos.oracle import steady_state
from chaos.site import Site
from domain.value import Value


class Nothing(Value):
    """No parameters."""


class Noop:
    """The alert is false. The right answer is to look, to say so, and to leave everything alone."""

    spec = FaultSpec(
        name="noop",
        family="abstain",
        service="api",
        summary="nothing is broken; a false alert comes in",
        parameters=Nothing,
        ladder={Magnitude.MEDIUM: {}},
        abstain=True,
        page={
            "title": "Customers report problems with the shop",
            "summary": "Two customers wrote that the shop felt slow. No further details.",
        },
    )

    async def prepare(self, site: Site, parameters: Nothing) -> Undo:
        return {}

    async def inject(self, site: Site, parameters: Nothing, undo: Undo, note: Note) -> None:
        return

    async def receipt(self, site: Site, undo: Undo) -> list[Observation]:
        return await steady_state(site)

    async def restore(self, site: Site, undo: Undo) -> None:
        return

    async def cleared(self, site: Site, undo: Undo) -> list[Observation]:
        return [Observation(name="nothing", ok=True, text="nothing was done")]

    async def retrigger(self, site: Site, undo: Undo) -> list[Observation]:
        return []
