"""What a fault is: its definition, what was observed of it, and the face every fault shows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from domain.value import Value

if TYPE_CHECKING:
    from chaos.site import Site

Undo = dict[str, Any]
"""Plain JSON: everything a stranger needs to take the fault back. Written to the store before the deed."""

Note = Callable[[Undo], Awaitable[None]]
"""Adds facts to the stored undo while the injection goes on (a process id, a file just about to be written)."""


class Magnitude(StrEnum):
    """How hard the fault bites. Blast radius is another ladder: one service at a time here."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Durability(StrEnum):
    """How the oracle finds out whether a cure lasts."""

    EVENT = "event"
    """The event that brought the fault to light happens again (a restart), never a second injection."""
    WORKLOAD = "workload"
    """The fault's own workload keeps running while users are served."""
    STEADY = "steady"
    """Nothing comes again by itself: a stretch of steady state."""


class Observation(Value):
    """One thing that was looked at. `ok` is None when it could not be told."""

    name: str
    ok: bool | None
    text: str

    def line(self) -> str:
        """As a person reads it: `ok  name: text`."""
        mark = {True: "ok", False: "not ok", None: "unknown"}[self.ok]
        return f"{mark}: {self.name}: {self.text}"


def all_ok(observations: list[Observation]) -> bool:
    """Whether something was seen and all of it is well. An empty list is not."""
    return bool(observations) and all(o.ok is True for o in observations)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSpec:
    """The frozen definition of one fault."""

    name: str
    """Catalogue name; what is wrong, not what is done."""
    family: str
    """process, disk, network, database, config, dependency, abstain."""
    service: str
    """The culprit's name in the inventory; for abstain faults the service a page would name."""
    summary: str
    parameters: type[Value]
    ladder: Mapping[Magnitude, Mapping[str, Any]]
    """Parameters per rung; a field that is not named keeps its default."""
    durability: Durability = Durability.STEADY
    touches: frozenset[str] = field(default_factory=frozenset)
    """Services beside the culprit that a cure may disturb without being called harmful."""
    abstain: bool = False
    """True: nothing is broken and nothing may be changed."""
    page: Mapping[str, str] = field(default_factory=dict)
    """Abstain faults only: what the customer's pager says (title, summary)."""

    @property
    def fault_class(self) -> str | None:
        """What a right diagnosis says: the catalogue's name, or None where nothing is broken."""
        return None if self.abstain else self.name

    def parameterise(self, magnitude: Magnitude, given: Mapping[str, Any] | None = None) -> Value:
        """The rung's parameters with `given` on top. Raises pydantic.ValidationError."""
        return self.parameters.model_validate({**self.ladder.get(magnitude, {}), **(given or {})})


class Fault(Protocol):
    """One way of breaking the patient. Every method may be called again after a crash."""

    @property
    def spec(self) -> FaultSpec:
        """The definition."""
        ...

    async def prepare(self, site: Site, parameters: Any) -> Undo:
        """Read what restoring will need. Changes nothing. Raises ChaosError when the fault cannot be made here."""
        ...

    async def inject(self, site: Site, parameters: Any, undo: Undo, note: Note) -> None:
        """Break it. Anything that restoring must know is noted before it is done."""
        ...

    async def receipt(self, site: Site, undo: Undo) -> list[Observation]:
        """Proof that the fault is really there, read from the patient and never from our own memory."""
        ...

    async def restore(self, site: Site, undo: Undo) -> None:
        """Take back what is still ours; leave a cure that somebody else applied. Idempotent."""
        ...

    async def cleared(self, site: Site, undo: Undo) -> list[Observation]:
        """Whether nothing of ours is left."""
        ...

    async def retrigger(self, site: Site, undo: Undo) -> list[Observation]:
        """The event or workload again, for the durability check; empty where time alone must show."""
        ...
