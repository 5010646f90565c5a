"""Configuration files of services: what changed in them, and which version last served users well."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from domain.alert import Change
from domain.inventory import Inventory
from tools.config_versions import FileConfigVersions
from tools.telemetry import roles
from tools.telemetry.collector.processes import Processes
from tools.telemetry.collector.sources import Points
from tools.telemetry.watch import ConfigWatch


class Configurations:
    """All files that are watched."""

    def __init__(
        self,
        inventory: Inventory,
        processes: Processes,
        versions: FileConfigVersions,
        root: Path,
        seen: Mapping[str, str],
    ) -> None:
        self._inventory, self._processes = inventory, processes
        self._watches = [
            ConfigWatch(service=s.name, path=root / binding.path, versions=versions, known=str(seen.get(s.name, "")))
            for s in inventory.services
            if (binding := s.bindings.get("config")) is not None and binding.via == "file" and binding.path
        ]

    async def look(self, now: float, points: Points) -> list[Change]:
        """What was edited since the last look. Notes for each file whether the service is well with it."""
        edits = [await watch.look(now) for watch in self._watches if watch.touched()]
        for watch in self._watches:
            healthy = self._healthy(watch.service, points)
            await watch.note_health(now, healthy=healthy, started_at=self._read_at(watch.service, points))
        return [edit for edit in edits if edit is not None]

    def known(self) -> dict[str, str]:
        """Service → digest of the version seen last."""
        return {watch.service: watch.known for watch in self._watches}

    def _read_at(self, service: str, points: Points) -> float | None:
        """When the process last read its file: at its start, or later when it says so (Prometheus' own convention)."""
        facts = self._processes.facts(service)
        started = facts.started_at if facts is not None else None
        reloaded = points[service].get(roles.CONFIG_RELOADED)
        return max(started, reloaded) if started is not None and reloaded is not None else started

    def _healthy(self, service: str, points: Points) -> bool:
        """The process runs, its own checks and all checks that users' paths depend on pass."""
        facts = self._processes.facts(service)
        if facts is not None and not facts.running:
            return False
        seen = [
            value
            for name in {service, *self._inventory.dependants(service)}
            for metric, value in points.get(name, {}).items()
            if roles.plain(metric) == roles.PROBE_UP
        ]
        return all(value > 0 for value in seen) and (bool(seen) or facts is not None)
