"""Tier × environment × effect class, from the one table."""

from __future__ import annotations

from domain.action import Tier, Verdict
from governance.guard.attempt import Attempt, Wrapper
from governance.tiers import rule


class TierTable(Wrapper):
    """An agent sits where it was granted a seat, else at T0. A person who unwinds sits nowhere and needs no seat."""

    name = "tier"

    async def look(self, attempt: Attempt) -> None:
        if attempt.spec is None or attempt.service is None:
            return
        if attempt.unwinding:
            attempt.say(self.name, Verdict.ALLOW, f"{attempt.author} ordered it: compensations are a person's to order")
            return
        ruling = rule(attempt.tier, attempt.environment, attempt.spec.effect)
        attempt.say(self.name, ruling.verdict, ruling.text)
        attempt.quorum = max(attempt.quorum, ruling.quorum)
        if attempt.tier is Tier.T0 and attempt.spec.effect.mutating:
            attempt.blind = "an observer makes no dry run of a change"
