"""What a run works with: ports only. The guard is the only way to a change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from domain.bundle import Reading
from domain.clock import Clock
from domain.guard import Guard
from domain.inventory import Inventory
from domain.reasoning import Reasoner
from domain.runner import Profile, Runner
from skills.shelf import Shelf
from skills.store import SkillStore
from skills.vocabulary import Vocabulary


class Probes(Protocol):
    """Read-only looks at the world."""

    async def run(self, names: Sequence[str] | None = None, services: Sequence[str] | None = None) -> list[Reading]:
        """Readings now; a probe that cannot read returns a reading with a data gap."""
        ...


Query = Callable[[str], Awaitable[list[float]]]
"""The samples of a PromQL expression now. Raises EvidenceError when nobody can be asked."""

Minds = Callable[[str, str], Reasoner | None]
"""(model, base URL) → the mind behind it; empty: the configured one. None: none is configured, rules only."""


def _nobody(target: str) -> Runner | None:
    return None


def _rules_only(model: str, base_url: str) -> Reasoner | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Everything that the ten steps ask."""

    inventory: Inventory
    words: Vocabulary
    probes: Probes
    guard: Guard
    shelf: Shelf
    store: SkillStore
    clock: Clock
    note: Callable[[str, str, dict[str, Any]], Awaitable[None]]
    """Writes to the ledger; never raises."""
    minds: Minds = _rules_only
    reader: Callable[[str], Runner | None] = _nobody
    """A runner that only reads, for the commands of checks on a host; None: nothing reaches it."""
    query: Query | None = None
    """None: no Prometheus is configured."""
    agent: str = "responder"
    profiles: dict[str, tuple[float, Profile]] = field(default_factory=dict[str, tuple[float, Profile]])
    """Target → (when, what was found); looked up again after a minute."""
