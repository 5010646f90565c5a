"""How the app's dependencies do: what a look at each found, and how the breakers around them stand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from domain.errors import FirebreakError
from governance.health import Condition, DependencyHealth

Answering = Callable[[], Awaitable[Any]]


def with_circuits(found: dict[str, Any], circuits: Sequence[DependencyHealth]) -> dict[str, Any]:
    """What the looks found, and how the breakers around the same dependencies stand. A breaker alone is its own row."""
    names = {"redis": "checkpoints"}
    told = {name: dict(row) for name, row in found.items()}
    for health in circuits:
        fresh = {"ok": health.condition is not Condition.DOWN, "detail": health.last_error}
        row = told.setdefault(names.get(health.name, health.name), fresh)
        row |= {"condition": health.condition.value, "circuit": health.circuit.value}
        row |= {"retry_after_s": health.retry_after_s} if health.retry_after_s else {}
    return told


async def answers(check: Answering) -> dict[str, Any]:
    """Whether a dependency answers within two seconds, and what it says."""
    try:
        async with asyncio.timeout(2.0):
            said = await check()
    except FirebreakError as error:
        return {"ok": False, "detail": error.message}
    except Exception as error:
        return {"ok": False, "detail": type(error).__name__}
    return {"ok": True, "detail": said if isinstance(said, str) else ""}
