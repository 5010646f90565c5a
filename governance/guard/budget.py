"""Mutation, rate and error budgets per tier, target and change."""

from __future__ import annotations

from domain.action import Reason, Verdict
from governance.budget import Spending, exhausted, spent
from governance.claims import Claim, Purpose, find_claims, recent_effects
from governance.guard.attempt import Attempt, Refused, Wrapper
from governance.ledger.port import Reader, Transaction
from governance.tiers import LIMITS


class Budget(Wrapper):
    """Counted when judged and again in the claim's transaction. Taking something back is always affordable."""

    name = "budget"

    async def look(self, attempt: Attempt) -> None:
        for text in _exhausted(attempt, self.parts.ledger):
            attempt.say(self.name, Verdict.DENY, text)

    async def carry_out(self, attempt: Attempt) -> None:
        def still_affordable(tx: Transaction) -> None:
            texts = _exhausted(attempt, tx)
            if texts:
                raise Refused(Reason(wrapper=self.name, verdict=Verdict.DENY, text="; ".join(texts)))

        attempt.on_claim.append(still_affordable)
        await self.inner.carry_out(attempt)


def _exhausted(attempt: Attempt, reader: Reader) -> list[str]:
    mutating = attempt.spec is not None and attempt.spec.effect.mutating
    if attempt.purpose is Purpose.COMPENSATE or not mutating:
        return []
    now = reader.now
    window = recent_effects(reader, now, LIMITS[attempt.tier].target_window_s)
    mine = find_claims(reader, change=attempt.actor.change)
    claims: dict[str, Claim] = {claim.key: claim for claim in [*window, *mine] if claim.key != attempt.key}
    return exhausted(
        Spending(
            tier=attempt.tier,
            agent=attempt.actor.agent,
            change=attempt.actor.change,
            call=attempt.call,
            now=now,
            claims=spent(list(claims.values())),
        )
    )
