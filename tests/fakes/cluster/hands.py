"""The product's own executor with one service in the test cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from domain.clock import ManualClock
from domain.inventory import Binding, Inventory, Service
from tools.registry import ActionRegistry


def in_cluster(target: Path, name: str = "web", **options: Any) -> Inventory:
    """An inventory of one service, bound to a TARGET file; its workload has its name unless `options` say another."""
    binding = Binding(via="kubernetes", path=str(target), options={"workload": name, **options})
    return Inventory(services=[Service(name=name, kind="api", bindings={"kubernetes": binding})])


def hands(inventory: Inventory, folder: Path) -> ActionRegistry:
    """Its clock does not wait: rollouts of the test cluster end when they are made."""
    return ActionRegistry(inventory, {"FIREBREAK_HOME": str(folder / "home")}, root=folder, clock=ManualClock())
