"""The api is there and does nothing: its process is stopped."""

from __future__ import annotations

from chaos.model import FaultSpec, Magnitude, Note, Observation, Undo
from chaos.patient import identity_of, pid_of, users_suffer
from chaos.site import Site
from domain.value import Value


class Hanging(Value):
    """No parameters: a process hangs or it does not."""


class Hang:
    """SIGSTOP: connections are accepted by the kernel, nobody answers."""

    spec = FaultSpec(
        name="hang",
        family="process",
        service="api",
        summary="the api hangs: its process is stopped and answers nothing",
        parameters=Hanging,
        ladder={Magnitude.MEDIUM: {}},
    )

    async def prepare(self, site: Site, parameters: Hanging) -> Undo:
        return {"stopped": (await pid_of(site, "api")).model_dump()}

    async def inject(self, site: Site, parameters: Hanging, undo: Undo, note: Note) -> None:
        process = identity_of(undo, "stopped")
        if process is not None:
            site.machine.signal(process, "SIGSTOP")

    async def receipt(self, site: Site, undo: Undo) -> list[Observation]:
        stopped = _stopped(site, undo)
        return [
            Observation(name="process stopped", ok=stopped, text=str(undo["stopped"]["pid"])),
            await users_suffer(site),
        ]

    async def restore(self, site: Site, undo: Undo) -> None:
        process = identity_of(undo, "stopped")
        if process is not None and _stopped(site, undo):
            site.machine.signal(process, "SIGCONT")

    async def cleared(self, site: Site, undo: Undo) -> list[Observation]:
        stopped = _stopped(site, undo)
        return [
            Observation(name="process stopped", ok=not stopped, text="still stopped" if stopped else "runs or replaced")
        ]

    async def retrigger(self, site: Site, undo: Undo) -> list[Observation]:
        return []


def _stopped(site: Site, undo: Undo) -> bool:
    process = identity_of(undo, "stopped")
    return process is not None and site.machine.alive(process) and site.machine.state(process.pid) == "T"
