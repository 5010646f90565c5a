"""A process of ours that carries out one command over SSH by the registered action, to be killed while it does.

Words: TARGET file, home, step id, and the argument list.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from domain.action import ActionCall
from domain.inventory import Binding, Inventory, Service
from tools.registry import ActionRegistry


def registry_over(target: Path, home: Path) -> ActionRegistry:
    """The executor as the action server builds it, with one host."""
    service = Service(name="far", kind="host", bindings={"host": Binding(via="ssh", path=str(target))})
    return ActionRegistry(Inventory(services=[service]), {"FIREBREAK_HOME": str(home)}, root=target.parent)


def call_of(step: str, argv: list[str]) -> ActionCall:
    """The call that this process makes."""
    return ActionCall(action="run_command", target="far", args={"step": step, "argv": argv, "timeout_s": 60})


if __name__ == "__main__":
    where, state, name, *words = sys.argv[1:]
    asyncio.run(registry_over(Path(where), Path(state)).execute(call_of(name, words), idempotency_key=name))
