"""What stands in the namespaces of an inventory now, as perception reads a dump: objects without their secrets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.bundle import Reading
from domain.clock import Clock
from domain.errors import FirebreakError
from domain.inventory import Inventory
from domain.redaction import redact
from tools.bundle.imports.platform_dump import bare
from tools.kubernetes.kinds import KINDS
from tools.kubernetes.place import connect
from tools.remote import load_target

PATIENCE_S = 8.0
"""The longest that reading one cluster may take, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Objects, and what could not be read."""

    objects: tuple[dict[str, Any], ...] = ()
    gaps: tuple[Reading, ...] = ()


class LivePlatform:
    """Reads every TARGET file that a `kubernetes` binding names, side by side. Changes nothing."""

    def __init__(self, inventory: Inventory, root: Path, clock: Clock, env: Mapping[str, str]) -> None:
        bindings = [(s.name, s.bindings["kubernetes"]) for s in inventory.services if "kubernetes" in s.bindings]
        self._places = {root / binding.path: service for service, binding in reversed(bindings)}
        self._clock = clock
        self._env = env

    async def __call__(self) -> Platform:
        """Everything that may be read now."""
        found = await asyncio.gather(*(self._read(file, service) for file, service in sorted(self._places.items())))
        return Platform(
            objects=tuple(o for one in found for o in one.objects), gaps=tuple(g for one in found for g in one.gaps)
        )

    async def _read(self, file: Path, service: str) -> Platform:
        try:
            cluster = await asyncio.to_thread(lambda: connect(load_target(file), changing=False, env=self._env))
        except FirebreakError as error:
            return Platform(gaps=(self._gap(service, error),))
        kinds = [kind for kind in KINDS.values() if kind.readable and kind.namespaced]
        try:
            async with asyncio.timeout(PATIENCE_S):
                lists = await asyncio.gather(*(cluster.list(kind) for kind in kinds), return_exceptions=True)
        except TimeoutError:
            return Platform(gaps=(self._gap(service, f"the cluster did not answer within {PATIENCE_S:g} s"),))
        finally:
            await cluster.aclose()
        return self._sorted(service, lists)

    def _sorted(self, service: str, lists: Sequence[list[dict[str, Any]] | BaseException]) -> Platform:
        """Objects of what was read; one gap per different reason, not one per kind."""
        objects: list[dict[str, Any]] = []
        gaps: dict[str, Reading] = {}
        for one in lists:
            if isinstance(one, FirebreakError):
                gaps.setdefault(one.message, self._gap(service, one))
            elif isinstance(one, BaseException):
                raise one
            else:
                objects += map(bare, one)
        return Platform(objects=tuple(objects), gaps=tuple(gaps.values()))

    def _gap(self, service: str, why: FirebreakError | str) -> Reading:
        words = why if isinstance(why, str) else "; ".join(why.lines())
        at = self._clock.now().timestamp()
        text = f"the cluster of {service} cannot be told in full"
        return Reading(probe="platform", service=service, time=at, ok=None, text=text, data_gap=redact(words))
