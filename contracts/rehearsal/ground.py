"""What a trial works with: ports only. The guard is the only way to a change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from contracts.enforcement.yard import Yard
from contracts.rehearsal.trial import State, Trial
from domain.bundle import Reading

Look = Callable[[Sequence[str], Sequence[str]], Awaitable[list[Reading]]]
"""(probes, services) → readings of now."""
Witness = Callable[[str], Awaitable[State]]
"""Service → its state, in all that a release may change."""
Pending = Callable[[str, str], Awaitable["Upcoming"]]
"""(service, wanted revision or empty) → what the environment would run. Raises ConfigError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upcoming:
    """Migrations between the schema that is there and the wanted one."""

    revision: str
    sources: Sequence[tuple[str, str]]
    """(path, text) of each migration, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where it takes place."""

    yard: Yard
    look: Look
    witness: Witness
    pending: Pending
    save: Callable[[Trial], None]
    """Write it down: before each change what is to be done, after it what came of it."""
