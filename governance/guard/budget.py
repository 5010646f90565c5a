"""Mutation, rate and error budgets per tier, target and change."""

from __future__ import annotations

from domain.action import Reason, Verdict
from governance.budget import Spending, errors, exhausted, spent
from governance.claims import Claim, Purpose, find_claims, recent_effects
from governance.guard.attempt import Attempt, Refused, Wrapper
from governance.ledger.port import Reader, Transaction
from governance.outcomes import excused
from governance.tiers import LIMITS
from governance.violations import Violation


class Budget(Wrapper):
    """Counted when judged and again in the claim's transaction. Taking something back is always affordable."""

    name = "budget"

    async def look(self, attempt: Attempt) -> None:
        if not _counted(attempt):
            return
        for text in exhausted(_spending(attempt, self.parts.ledger)):
            attempt.say(self.name, Verdict.DENY, text)

    async def carry_out(self, attempt: Attempt) -> None:
        def still_affordable(tx: Transaction) -> None:
            spending = _spending(attempt, tx)
            for text in errors(spending):
                attempt.suspect(Violation.ERROR_BUDGET_EXCEEDED, text)
            texts = exhausted(spending)
            if texts:
                raise Refused(Reason(wrapper=self.name, verdict=Verdict.DENY, text="; ".join(texts)))

        if _counted(attempt):
            attempt.on_claim.append(still_affordable)
        await self.inner.carry_out(attempt)


def _counted(attempt: Attempt) -> bool:
    return attempt.spec is not None and attempt.spec.effect.mutating and attempt.purpose is not Purpose.COMPENSATE


def _spending(attempt: Attempt, reader: Reader) -> Spending:
    now = reader.now
    window = recent_effects(reader, now, LIMITS[attempt.tier].target_window_s)
    mine = find_claims(reader, change=attempt.actor.change)
    claims: dict[str, Claim] = {claim.key: claim for claim in [*window, *mine] if claim.key != attempt.key}
    counted = spent(list(claims.values()))
    return Spending(
        tier=attempt.tier,
        agent=attempt.actor.agent,
        change=attempt.actor.change,
        call=attempt.call,
        now=now,
        claims=counted,
        excused=excused(reader, counted),
    )
