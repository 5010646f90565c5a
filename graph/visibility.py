"""What can be seen of an inventory: every source tried once, and which services show no metrics, logs or spans anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from domain.bundle import Series
from domain.errors import FirebreakError
from domain.inventory import Connector, Inventory
from domain.telemetry import Kind, SourceCheck, Telemetry
from graph.settings import Settings
from graph.sources import TELLS, Named, connectors, opened
from tools.telemetry.roles import SHORT, plain

EMBEDDED = "collector"
RECENT_S = 600.0
"""How far back the embedded store is searched for what it has seen."""
LATE_S = 120.0
"""Data older than this comes too late for an incident."""
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One source and what came of trying it: a check, or why there is none."""

    name: str
    address: str
    kinds: tuple[Kind, ...]
    check: SourceCheck | None = None
    problem: str = ""
    hint: str = ""

    @property
    def late(self) -> bool:
        """It answers and has nothing recent to say."""
        age = self.check.newest_age_s if self.check else None
        return self.check is not None and (age is None or age > LATE_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visibility:
    """All sources, and kind of signal → services of which nobody has any."""

    looks: tuple[Look, ...]
    unseen: Mapping[Kind, tuple[str, ...]]

    @property
    def invisible(self) -> tuple[str, ...]:
        """Services of which there is no signal at all."""
        silent = [set(names) for names in self.unseen.values()]
        return tuple(sorted(set.intersection(*silent))) if silent else ()


async def look(
    embedded: Telemetry, settings: Settings, inventory: Inventory, env: Mapping[str, str], *, root: Path, now: float
) -> Visibility:
    """Try the embedded store and every connector side by side. Nothing raises: a source that fails is a row."""
    named = connectors(settings, inventory)
    mine, seen = await _embedded(embedded, inventory, now)
    tried = await asyncio.gather(*(_tried(one, inventory, env, root, now) for one in named))
    for found in tried:
        if found.check is not None:
            for kind in found.kinds:
                seen[kind] |= set(inventory.names()) - set(found.check.unseen)
    unseen: dict[Kind, tuple[str, ...]] = {
        kind: tuple(n for n in inventory.names() if n not in seen[kind]) for kind in KINDS
    }
    return Visibility(looks=(mine, *tried), unseen=unseen)


def missing_variables(connector: Connector, env: Mapping[str, str]) -> Sequence[str]:
    """Variables that a connector names and that are not set."""
    return [name for name in (connector.token_env, connector.basic_env) if name and not env.get(name)]


async def _tried(one: Named, inventory: Inventory, env: Mapping[str, str], root: Path, now: float) -> Look:
    connector = one.connector
    blank = Look(
        name=one.name,
        address=connector.url or connector.path or f"{connector.kind} of {connector.host or 'this machine'}",
        kinds=(TELLS[connector.kind],) if connector.kind in TELLS else (),
    )
    if missing := missing_variables(connector, env):
        hint = "set it where Firebreak runs; never write it down"
        return replace(blank, problem=f"{', '.join(missing)} is not set", hint=hint)
    try:
        check = await opened(connector, inventory, env, root=root).check(now)
    except FirebreakError as error:
        return replace(blank, problem=f"{error.message}: {error.found}".rstrip(": "), hint=error.hint)
    return replace(blank, check=check)


async def _embedded(store: Telemetry, inventory: Inventory, now: float) -> tuple[Look, dict[Kind, set[str]]]:
    """The embedded store as a source like the others, and what it has seen of whom."""
    window = (now - RECENT_S, now)
    series, logs, spans = await asyncio.gather(store.series(window), store.logs(window), store.spans(window))
    seen: dict[Kind, set[str]] = {
        "metrics": {row.service for row in series},
        "logs": {row.service for row in logs},
        "spans": {row.service for row in spans},
    }
    newest = [row.times[-1] for row in series] + [row.time for row in logs[-1:]] + [row.start for row in spans[-1:]]
    names = inventory.names()
    told = ", ".join(f"{kind} of {len(seen[kind] & set(names))}" for kind in KINDS)
    check = SourceCheck(
        found=f"{told} of {len(names)} services in the last ten minutes",
        newest_age_s=max(0.0, now - max(newest)) if newest else None,
        unseen=tuple(name for name in names if not any(name in rows for rows in seen.values())),
        roles=tuple((s.name, _roles(s.name, series)) for s in inventory.services if s.telemetry.scrape),
    )
    return Look(name=EMBEDDED, address="embedded store", kinds=KINDS, check=check), seen


def _roles(service: str, series: Sequence[Series]) -> tuple[str, ...]:
    """The roles that a scraped endpoint's metrics play, by the short names under which the store has them."""
    names = {plain(row.metric) for row in series if row.service == service}
    return tuple(dict.fromkeys(role.value for name, role in SHORT.items() if name in names))
