"""A deployment's context, filled with what this installation knows: its inventory, and how the service does right now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from contracts.context import DeploymentContext
from contracts.live import as_today
from contracts.surroundings import placed
from domain.clock import Clock
from domain.inventory import Inventory
from tools.telemetry.board import sli_snapshot
from tools.telemetry.embedded import SqliteTelemetry


def placing(
    store: SqliteTelemetry, inventory: Inventory, clock: Clock
) -> Callable[[DeploymentContext], Awaitable[DeploymentContext]]:
    """Neighbours, dependants and objectives of the inventory; today's error rate and p95 where a collector is alive."""

    async def place(context: DeploymentContext) -> DeploymentContext:
        board = await sli_snapshot(store, inventory, clock.now().timestamp())
        return as_today(placed(context, inventory), board)

    return place
