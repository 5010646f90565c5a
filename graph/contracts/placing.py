"""A deployment's context, filled with what this installation knows: its inventory, and how the service does right now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from contracts.context import DeploymentContext
from contracts.enforcement.observing import requests_of
from contracts.live import as_today
from contracts.surroundings import placed
from contracts.today import measured, with_baseline
from domain.clock import Clock
from domain.inventory import Inventory
from tools.telemetry.board import sli_snapshot
from tools.telemetry.embedded import SqliteTelemetry

WINDOW_S = 900.0
"""Of users' requests that a baseline is made from; the collector keeps not much longer."""
SPANS = 100_000


def placing(
    store: SqliteTelemetry, inventory: Inventory, clock: Clock
) -> Callable[[DeploymentContext], Awaitable[DeploymentContext]]:
    """Neighbours, dependants and objectives of the inventory; what the collector measures of the service today.

    Its requests where it has traces, else its board of service levels; a baseline that somebody brought stays.
    """

    async def place(context: DeploymentContext) -> DeploymentContext:
        found = placed(context, inventory)
        now = clock.now().timestamp()
        if found.baseline is None:
            window = (now - WINDOW_S, now)
            spans = await store.spans(window, services=[found.service_name], limit=SPANS)
            baseline = measured(requests_of(spans, [], 0.0), "the collector's traces", window)
            found = with_baseline(found, baseline) if baseline else found
        return as_today(found, await sli_snapshot(store, inventory, now))

    return place
