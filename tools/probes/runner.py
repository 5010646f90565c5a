"""Runs probes side by side over an inventory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from domain.bundle import Reading
from domain.clock import Clock, SystemClock
from domain.errors import FirebreakError, ToolError
from domain.inventory import Inventory
from tools import config_versions
from tools.config_versions import ConfigVersions
from tools.probes.cluster.declared import NETWORK_PATH, SERVICE_ENDPOINTS, WORKLOAD_PERMISSIONS, WORKLOAD_SETTINGS
from tools.probes.cluster.events import CLUSTER_EVENTS
from tools.probes.cluster.workload import WORKLOAD_STATE
from tools.probes.credential import DB_AUTH
from tools.probes.database import DB_ACTIVITY, DB_LOCKS
from tools.probes.files import CONFIG_DIFF, DISK_USAGE, WARM_FILE
from tools.probes.health import HTTP_HEALTH, TCP_HEALTH, TELEMETRY_FRESHNESS
from tools.probes.links import CACHE_HEALTH, LINK_LATENCY, RELEASE
from tools.probes.measured import DB_POOL, QUEUE_DEPTH, UPSTREAM_STATUS
from tools.probes.probe import Probe, Shared, reading
from tools.probes.process_state import PROCESS_STATE
from tools.probes.schema import SCHEMA_VERSION
from tools.target import Target

PROBES: tuple[Probe, ...] = (
    PROCESS_STATE,
    HTTP_HEALTH,
    TCP_HEALTH,
    DB_ACTIVITY,
    DB_LOCKS,
    DB_AUTH,
    SCHEMA_VERSION,
    DB_POOL,
    CONFIG_DIFF,
    DISK_USAGE,
    LINK_LATENCY,
    UPSTREAM_STATUS,
    CACHE_HEALTH,
    QUEUE_DEPTH,
    WARM_FILE,
    RELEASE,
    TELEMETRY_FRESHNESS,
    WORKLOAD_STATE,
    SERVICE_ENDPOINTS,
    WORKLOAD_SETTINGS,
    WORKLOAD_PERMISSIONS,
    NETWORK_PATH,
    CLUSTER_EVENTS,
)
"""Every probe, once. Adding one is a file and a line here."""


STAGGER_S = 0.01
"""Between the starts of two probes, so that they do not measure each other."""


class ProbeRunner:
    """Reads the world; changes nothing. `env` holds the read-only credentials that bindings name."""

    def __init__(
        self,
        inventory: Inventory,
        env: Mapping[str, str],
        *,
        root: Path | None = None,
        versions: ConfigVersions | None = None,
        clock: Clock | None = None,
        probes: Sequence[Probe] = PROBES,
    ) -> None:
        self._inventory = inventory
        self._env = env
        self._root = root or Path.cwd()
        self._versions = versions or config_versions.from_env(env)
        self._clock = clock or SystemClock()
        self._probes = {probe.name: probe for probe in probes}

    def names(self) -> list[str]:
        """All probe names."""
        return list(self._probes)

    async def run(self, names: Sequence[str] | None = None, services: Sequence[str] | None = None) -> list[Reading]:
        """The readings of these probes (None: all) on these services (None: all that they apply to).

        Takes about as long as the slowest, at most its patience and the stagger. Raises ToolError for unknown names.
        """
        probes = self._chosen(names)
        targets = self._targets(services)
        shared = Shared()
        try:
            pairs = [(p, t) for t in targets for p in probes if p.applies(t.service)]
            found = await asyncio.gather(*(_bounded(p, t, shared, i * STAGGER_S) for i, (p, t) in enumerate(pairs)))
        finally:
            await shared.close()
        return [one for several in found for one in several]

    def _chosen(self, names: Sequence[str] | None) -> list[Probe]:
        unknown = sorted(set(names or []) - self._probes.keys())
        if unknown:
            raise ToolError(
                f"unknown probe {', '.join(unknown)}",
                expected=", ".join(self._probes),
                found=", ".join(unknown),
                code="tool.unknown_probe",
            )
        return [self._probes[name] for name in (self._probes if names is None else dict.fromkeys(names))]

    def _targets(self, services: Sequence[str] | None) -> list[Target]:
        known = self._inventory.names()
        unknown = sorted(set(services or []) - set(known))
        if unknown:
            raise ToolError(
                f"unknown service {', '.join(unknown)}",
                expected=", ".join(known),
                found=", ".join(unknown),
                code="tool.unknown_target",
            )
        wanted = known if services is None else list(dict.fromkeys(services))
        found = [s for name in wanted if (s := self._inventory.service(name)) is not None]
        return [
            Target(
                service=service,
                inventory=self._inventory,
                env=self._env,
                root=self._root,
                versions=self._versions,
                clock=self._clock,
            )
            for service in found
        ]


async def _bounded(probe: Probe, target: Target, shared: Shared, wait_s: float) -> list[Reading]:
    """The probe's readings; what cannot be told becomes a reading that says why."""
    await asyncio.sleep(wait_s)
    patience = probe.patience_s(target)
    try:
        async with asyncio.timeout(patience):
            return await probe.read(target, shared)
    except TimeoutError:
        why = f"no answer within {patience:g} s"
    except FirebreakError as error:
        why = "; ".join(error.lines())
    except (OSError, ValueError, KeyError, TypeError) as error:
        # A far end that answers nonsense is a blind spot, not a reason to lose the other readings.
        why = f"unreadable answer: {type(error).__name__}"
    return [reading(probe.name, target, ok=None, text=f"{probe.name} of {target.name} cannot be told", gap=why)]
