"""The ground of a rehearsal in this house: its probes, its databases' catalogs, the migrations that lie in its folders."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from contracts.enforcement.yard import Yard
from contracts.rehearsal.ground import Ground, Upcoming
from contracts.rehearsal.trial import State, Trial
from domain.errors import ConfigError, FirebreakError, ToolError
from domain.inventory import Service
from graph.services import Probes
from tools import config_versions
from tools.file import read_text
from tools.schema import coming, folders, revision_facts
from tools.structure import structure_of
from tools.target import Target

AGAIN = 3
"""How often the state is read again until everything can be: a busy service may not answer in time."""


class HouseGround:
    """Reads what a release may change. `env` holds read-only credentials, `root` is the inventory file's folder."""

    def __init__(self, yard: Yard, probes: Probes, env: Mapping[str, str], root: Path) -> None:
        self._yard, self._probes, self._env, self._root = yard, probes, env, root

    def ground(self, save: Callable[[Trial], None]) -> Ground:
        """Ports for one trial."""
        return Ground(yard=self._yard, look=self._probes.run, witness=self.witness, pending=self.pending, save=save)

    async def witness(self, service: str) -> State:
        """The service's state; what cannot be read, although it was tried again, is named."""
        found = await self._seen(self._target(service))
        for _ in range(AGAIN):
            if not found.unread:
                break
            await self._yard.clock.sleep(1.0)
            found = await self._seen(self._target(service))
        return found

    async def _seen(self, target: Target) -> State:
        facts, unread = dict[str, Any](), list[str]()
        for read in (self._released, self._configured, self._stored):
            try:
                facts |= await read(target)
            except FirebreakError as error:
                unread.append(f"{error.message} ({error.found})" if error.found else error.message)
        return State(**facts, unread=unread)

    async def pending(self, service: str, wanted: str) -> Upcoming:
        """See contracts.rehearsal.ground.Pending."""
        target = self._target(service)
        current = (await revision_facts(target, admin=False))["current"]
        way = await asyncio.to_thread(coming, folders(target), current or "", wanted)
        texts = [(str(r.path.name), await asyncio.to_thread(read_text, r.path)) for r in way]
        return Upcoming(revision=way[-1].id, sources=texts)

    async def _released(self, target: Target) -> dict[str, Any]:
        found = await self._probes.run(["release"], [target.name])
        if not found or found[0].data_gap:
            raise ToolError("the released version cannot be read", found=found[0].data_gap if found else "no probe")
        values = found[0].values
        return {"version": str(values.get("version") or ""), "weights": dict(values.get("weights") or {})}

    async def _configured(self, target: Target) -> dict[str, Any]:
        if not target.has("config"):
            return {}
        text = await asyncio.to_thread(read_text, target.path(target.binding("config")))
        return {"configuration": config_versions.version_of(text)}

    async def _stored(self, target: Target) -> dict[str, Any]:
        if not target.has("migration"):
            return {}
        facts, shape = await asyncio.gather(revision_facts(target, admin=False), structure_of(target))
        found = {"columns": shape.columns, "rules": shape.rules, "rows": shape.rows}
        return {"revision": facts["current"] or "", **found}

    def _target(self, name: str) -> Target:
        return Target(
            service=self._service(name),
            inventory=self._yard.inventory,
            env=self._env,
            root=self._root,
            versions=config_versions.from_env(self._env),
            clock=self._yard.clock,
        )

    def _service(self, name: str) -> Service:
        found = self._yard.inventory.service(name)
        if found is None:
            raise ConfigError(
                f"the inventory has no service {name}",
                expected=", ".join(self._yard.inventory.names()),
                found=name,
                code="request.invalid",
            )
        return found
