"""Breaking something on purpose, for whoever rehearses a cure. The chaos service keeps the lease, its reaper restores."""

from __future__ import annotations

from typing import Protocol

from domain.value import Value


class FaultRow(Value):
    """A fault that can be injected."""

    name: str
    service: str
    """The culprit's name in the inventory."""
    abstain: bool = False
    """Nothing is broken by it: a cure must leave everything alone."""

    def is_called(self, name: str, target: str) -> bool:
        """Whether a skill for `target` that speaks of the fault `name` means this one. `image_pull@web` is one of web alone."""
        kind, at, _ = self.name.partition("@")
        return kind == name and (not at or self.service == target)


class FaultInjector(Protocol):
    """Whoever can break the patient. Every fault is leased: it ends by itself."""

    async def injectable(self) -> list[FaultRow]:
        """What can be broken here. Raises UpstreamError."""
        ...

    async def inject(self, fault: str, *, lease_s: float) -> str:
        """Break it and return the lease once the fault is proven to be there. Raises ConflictError when it is refused."""
        ...

    async def lift(self, lease: str) -> None:
        """Take it back now and see the steady state again."""
        ...
