"""Tier × environment × effect class, from the one table."""

from __future__ import annotations

from domain.action import Tier, Verdict
from domain.inventory import Environment
from governance.guard.attempt import Attempt, Wrapper
from governance.outcomes import rows_of
from governance.promotion import earned
from governance.tiers import rule
from governance.violations import Violation


class TierTable(Wrapper):
    """An agent sits where it was granted a seat, else at T0. A person who unwinds sits nowhere and needs no seat."""

    name = "tier"

    async def look(self, attempt: Attempt) -> None:
        if attempt.spec is None or attempt.service is None:
            return
        if attempt.unwinding:
            attempt.say(self.name, Verdict.ALLOW, f"{attempt.author} ordered it: compensations are a person's to order")
            return
        ruling = rule(attempt.tier, attempt.environment, attempt.spec.effect, earned=self._earned(attempt))
        attempt.say(self.name, ruling.verdict, ruling.text)
        if ruling.verdict is Verdict.DENY:
            attempt.suspect(_beyond(attempt.environment), ruling.text)
        attempt.quorum = max(attempt.quorum, ruling.quorum)
        if attempt.tier is Tier.T0 and attempt.spec.effect.mutating:
            attempt.blind = "an observer makes no dry run of a change"

    def _earned(self, attempt: Attempt) -> bool:
        """Looked up only where the table asks for it: production, from T3 on."""
        if attempt.environment is not Environment.PRODUCTION or attempt.tier.level < Tier.T3.level:
            return False
        ledger = self.parts.ledger
        return earned(rows_of(ledger, attempt.actor.agent), attempt.call.action, ledger.now)


def _beyond(environment: Environment) -> Violation:
    production = environment is Environment.PRODUCTION
    return Violation.UNAUTHORIZED_PROD if production else Violation.FORBIDDEN_ACTION
