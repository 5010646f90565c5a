"""A deploy went out with a configuration that lacks a required key."""

from __future__ import annotations

from pathlib import Path

from chaos.envfile import read_keys
from chaos.errors import ChaosError
from chaos.model import Durability, FaultSpec, Magnitude, Note, Observation, Undo
from chaos.patient import deploy, ensure_running, restart, running, users_suffer
from chaos.site import Site
from domain.value import Value


class MissingKey(Value):
    """Which key is forgotten."""

    key: str = "PAYMENTS_URL"


class MissingEnv:
    """The line is gone from the file, and the process was started anew with it."""

    spec = FaultSpec(
        name="missing_env",
        family="config",
        service="api",
        summary="a deploy lost a required key of the api's configuration",
        parameters=MissingKey,
        ladder={
            Magnitude.LOW: {"key": "CATALOGUE_TTL_S"},
            Magnitude.MEDIUM: {"key": "PAYMENTS_URL"},
            Magnitude.HIGH: {"key": "DB_HOST"},
        },
        durability=Durability.EVENT,
    )

    async def prepare(self, site: Site, parameters: MissingKey) -> Undo:
        path = site.config_file("api")
        lines = [line for line in path.read_text().splitlines() if line.partition("=")[0].strip() == parameters.key]
        if not lines:
            raise ChaosError(
                "there is no such key to lose", expected=", ".join(sorted(read_keys(path))), found=parameters.key
            )
        return {"path": str(path), "key": parameters.key, "line": lines[-1]}

    async def inject(self, site: Site, parameters: MissingKey, undo: Undo, note: Note) -> None:
        path = Path(undo["path"])
        kept = [line for line in path.read_text().splitlines() if line.partition("=")[0].strip() != undo["key"]]
        path.write_text("\n".join(kept) + "\n")
        await deploy(site, "api", "new configuration")

    async def receipt(self, site: Site, undo: Undo) -> list[Observation]:
        up = await running(site, "api")
        return [
            Observation(name="key missing", ok=not _there(undo), text=undo["path"]),
            Observation(name="api down", ok=not up.ok, text=up.text),
            await users_suffer(site),
        ]

    async def restore(self, site: Site, undo: Undo) -> None:
        if not _there(undo):
            path = Path(undo["path"])
            path.write_text(path.read_text().rstrip("\n") + f"\n{undo['line']}\n")
        await ensure_running(site, "api")

    async def cleared(self, site: Site, undo: Undo) -> list[Observation]:
        there = _there(undo)
        return [
            Observation(name="key there", ok=there, text="there" if there else "still missing"),
            await running(site, "api", seconds=12.0),
        ]

    async def retrigger(self, site: Site, undo: Undo) -> list[Observation]:
        return [await restart(site, "api")]


def _there(undo: Undo) -> bool:
    return undo["key"] in read_keys(Path(undo["path"]))
