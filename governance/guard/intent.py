"""Intent: the ledger knows what is about to happen before it happens."""

from __future__ import annotations

from governance.claims import ClaimState, save_claim
from governance.guard.attempt import Attempt, Wrapper
from governance.guard.recorded import INTENT
from governance.ledger.port import Draft, Record


class IntentBeforeEffect(Wrapper):
    """From this entry on the effect may be in the world. What must still hold is checked in the same transaction."""

    name = "intent"

    async def carry_out(self, attempt: Attempt) -> None:
        with self.parts.ledger.transaction() as tx:
            for check in attempt.on_dispatch:
                check(tx)
            content = {**attempt.facts(), "fencing_token": attempt.fence}
            entry = tx.append(Draft(kind=INTENT, actor=attempt.author, change=attempt.actor.change, content=content))
            tx.put(
                Record(kind=INTENT, id=attempt.key, change=attempt.actor.change, at=tx.now, doc={"entry": entry.seq})
            )
            if attempt.claim is not None:
                attempt.claim = attempt.claim.model_copy(update={"state": ClaimState.DISPATCHED})
                save_claim(tx, attempt.claim)
        attempt.entries.append(entry.seq)
        await self.inner.carry_out(attempt)
