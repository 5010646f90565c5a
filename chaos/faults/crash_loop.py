"""The api dies at every start because its warm-start file is torn."""

from __future__ import annotations

from pathlib import Path

from chaos.model import Durability, FaultSpec, Magnitude, Note, Observation, Undo
from chaos.patient import ensure_running, pid_of, restart, running, users_suffer
from chaos.site import Site
from domain.value import Value

WARM_FILE = "warm-start.json"


class TornFile(Value):
    """How much of the file is left."""

    keep: float = 0.5
    """Share of its bytes."""


class CrashLoop:
    """A half-written file in the data directory, and a crash that makes the process read it."""

    spec = FaultSpec(
        name="crash_loop",
        family="process",
        service="api",
        summary="the api cannot start: a file it reads at start is torn",
        parameters=TornFile,
        ladder={Magnitude.LOW: {"keep": 0.9}, Magnitude.MEDIUM: {"keep": 0.5}, Magnitude.HIGH: {"keep": 0.02}},
        durability=Durability.EVENT,
    )

    async def prepare(self, site: Site, parameters: TornFile) -> Undo:
        path = site.data_dir("api") / WARM_FILE
        original = path.read_text() if path.exists() else ""
        whole = original or '{"version": 1, "products": [{"id": 1, "name": "'
        torn = whole[: max(1, int(len(whole) * min(parameters.keep, 0.99)))]
        return {"path": str(path), "original": original, "torn": torn}

    async def inject(self, site: Site, parameters: TornFile, undo: Undo, note: Note) -> None:
        process = await pid_of(site, "api")
        Path(undo["path"]).write_text(undo["torn"])
        site.machine.signal(process, "SIGKILL")

    async def receipt(self, site: Site, undo: Undo) -> list[Observation]:
        up = await running(site, "api")
        return [
            Observation(name="file torn", ok=_torn(undo), text=undo["path"]),
            Observation(name="api down", ok=not up.ok, text=up.text),
            await users_suffer(site),
        ]

    async def restore(self, site: Site, undo: Undo) -> None:
        path = Path(undo["path"])
        if _torn(undo):
            if undo["original"]:
                path.write_text(undo["original"])
            else:
                path.unlink(missing_ok=True)
        await ensure_running(site, "api")

    async def cleared(self, site: Site, undo: Undo) -> list[Observation]:
        torn = _torn(undo)
        return [
            Observation(name="file whole", ok=not torn, text="still torn" if torn else "whole or gone"),
            await running(site, "api", seconds=12.0),
        ]

    async def retrigger(self, site: Site, undo: Undo) -> list[Observation]:
        return [await restart(site, "api")]


def _torn(undo: Undo) -> bool:
    try:
        return Path(undo["path"]).read_text() == str(undo["torn"])
    except OSError:
        return False
