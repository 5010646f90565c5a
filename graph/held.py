"""What governance holds against the agent: read from the ledger by overwatch, which goes by it and adds nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from domain.agents import ChargeRow
from domain.errors import FirebreakError
from governance.guard.agents_client import HttpAgents
from governance.guard.client import HttpGuard


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """How the agent stands with governance now."""

    revoked: str = ""
    """By whom, when and why it may act no more; empty while it may."""
    charges: tuple[ChargeRow, ...] = ()
    """What it was charged with, in all its changes; recoveries and what was overturned are not among them."""

    def violations(self, change: str) -> list[str]:
        """Why the run must end: charges in it that revoked the agent, and a revocation from elsewhere."""
        mine = [words(c) for c in self.charges if c.change == change and c.consequence == "revoked"]
        return mine or ([self.revoked] if self.revoked else [])

    def warnings(self, change: str) -> list[str]:
        """Charges in this run that only warned."""
        return [words(c) for c in self.charges if c.change == change and c.consequence == "warned"]


def words(charge: ChargeRow) -> str:
    """A charge in words, with its ledger entry."""
    return f"{charge.violation} (L{charge.entry}): {charge.what}"


ReadHeld = Callable[[], Awaitable[Held]]
"""Never raises: while the action server is away nothing takes effect either, and the next look asks again."""


def held_against(guard: HttpGuard, agent: str) -> ReadHeld:
    """Asks the action server. An agent that it does not know has nothing against it."""
    agents = HttpAgents(guard)

    async def read() -> Held:
        with suppress(FirebreakError):
            found = await agents.detail(agent)
            return Held(revoked=found.revoked, charges=tuple(c for c in found.violations if c.charged))
        return Held()

    return read
