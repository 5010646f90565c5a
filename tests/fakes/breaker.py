"""A fault injector for the little world: what it breaks is healed when it is lifted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from domain.conditions import Condition
from domain.errors import UpstreamError
from domain.injection import FaultRow
from tests.fakes.world import World


@dataclass
class Breaker:
    """Breaks the little world; a lift heals it."""

    world: World
    breaks: dict[str, Callable[[World], None]]
    lifted: list[str] = field(default_factory=list)
    away: bool = False

    async def injectable(self) -> list[FaultRow]:
        rows = [FaultRow(name=name, service="api") for name in self.breaks]
        return [*rows, FaultRow(name="noop", service="api", abstain=True)]

    async def inject(self, fault: str, *, lease_s: float) -> str:
        if self.away:
            raise UpstreamError("the chaos server does not answer")
        if fault in self.breaks:
            self.breaks[fault](self.world)
        return f"lease-{fault}"

    async def lift(self, lease: str) -> None:
        self.lifted.append(lease)
        self.world.wrong.clear()


def breaking(condition: tuple[Condition, str]) -> Callable[[World], None]:
    return lambda world: world.wrong.update({condition: {}})
