"""How the service of a draft does today: asked of a Prometheus by its address, or of the one that an inventory names."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cli.output import note
from domain.errors import EvidenceError

if TYPE_CHECKING:
    from contracts.change.subject import Subject
    from domain.baseline import Baseline
    from domain.inventory import Inventory
    from tools.telemetry.http_api import Access


def measured(subject: Subject, url: str, config: Path | None, window_s: int) -> Subject:
    """With its baseline. An address that was given and says nothing is refused; a configured one is told of and left out.

    The token of `url`, where it wants one, is FIREBREAK_BASELINE_TOKEN. Raises EvidenceError, AuthError.
    """
    from cli.config import load_inventory
    from contracts.today import with_baseline
    from tools.telemetry.http_api import Access

    inventory = load_inventory(config) if config else None
    if url:
        access = Access(url=url, token=os.environ.get("FIREBREAK_BASELINE_TOKEN", ""), hint="check --baseline")
        found = asyncio.run(_read(subject, access, inventory, window_s))
        return replace(subject, context=with_baseline(subject.context, found))
    named = [c for c in (inventory.connectors if inventory else []) if c.kind == "prometheus"]
    for connector in named[:1]:
        try:
            access = Access.of(connector, os.environ, config.parent if config else None)
            found = asyncio.run(_read(subject, access, inventory, window_s))
        except EvidenceError as error:
            note(f"no baseline: {error.message} ({error.found})")
            return replace(subject, doubts=[*subject.doubts, (f"no baseline: {error.message}"[:1000], 0.0)])
        return replace(subject, context=with_baseline(subject.context, found))
    return subject


async def _read(subject: Subject, access: Access, inventory: Inventory | None, window_s: int) -> Baseline:
    from tools.telemetry.http_api import HttpApi
    from tools.telemetry.prometheus import PrometheusApi
    from tools.telemetry.today import PrometheusToday

    name = subject.context.service_name
    service = inventory.service(name) if inventory else None
    chosen = (service.telemetry.selector if service else None) or {"job": name}
    return await PrometheusToday(PrometheusApi(HttpApi("Prometheus", access)), chosen, window_s, time.time()).read()
