"""A person's word on how far a skill is trusted: written to the ledger in the person's own name, then to the skill's record."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from domain.errors import ConflictError
from domain.guard import LedgerEntry
from skills.bench import Bench
from skills.promote import next_standing, quarantined
from skills.store import Standing, Trust
from skills.trust import trust_of

Say = Callable[[str, str, dict[str, Any]], Awaitable[LedgerEntry]]
"""(person's token, change, content) → the entry that the action server wrote in that person's name. Raises AuthError."""


class Standings:
    """Promotes and quarantines."""

    def __init__(self, bench: Bench, say: Say) -> None:
        self._bench = bench
        self._say = say

    async def promote(self, name: str, reason: str, *, person: str, token: str) -> Standing:
        """One step up. Raises ConflictError with what is missing, AuthError when the person may not."""
        package, skill = self._bench.shelf.procedure(name)
        bench = self._bench
        found = next_standing(package, skill, bench.words, bench.store, by=person, reason=reason, now=bench.clock.now())
        return await self._written(found, token)

    async def quarantine(self, name: str, reason: str, *, person: str, token: str) -> Standing:
        """Out of use. Raises ConflictError when it is so already, AuthError when the person may not."""
        package, skill = self._bench.shelf.procedure(name)
        if trust_of(package, self._bench.store) is Trust.QUARANTINED:
            raise ConflictError(f"{name} is in quarantine already", expected="a skill in use", found="quarantined")
        found = quarantined(package, skill, by=person, reason=reason, now=self._bench.clock.now())
        return await self._written(found, token)

    async def _written(self, standing: Standing, token: str) -> Standing:
        content = {"event": f"skill.{standing.trust.value}", **standing.model_dump(mode="json")}
        entry = await self._say(token, f"skill-{standing.skill}", content)
        standing = standing.model_copy(update={"by": entry.actor, "ledger": entry.seq})
        self._bench.store.stand(standing)
        return standing
