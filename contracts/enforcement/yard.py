"""What an enforcement works with: ports only, so that tests bind fakes and the app its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from contracts.enforcement.observing import Reading
from domain.clock import Clock
from domain.guard import Actor, Guard
from domain.inventory import Inventory, Service
from domain.telemetry import Telemetry

Note = Callable[[str, str, dict[str, Any]], Awaitable[None]]
"""Writes to the ledger: (kind, change, content). Never raises."""

Memories = Callable[[Service, str, str, float], Awaitable[Reading | None]]
"""(service, former version, new version, seconds on the rollout's clock) → both versions' memory, where it is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Yard:
    """Ports of an enforcement. The guard is the only way to a change."""

    inventory: Inventory
    guard: Guard
    telemetry: Telemetry
    clock: Clock
    note: Note
    memories: Memories
    actor: Callable[[str], Actor]
    """On whose behalf a rollout's steps are asked for."""
    boot: Callable[[], str]
    """Which start of the machine this is."""
