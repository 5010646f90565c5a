"""Frozen means: nothing takes effect, compensations included, until a person says otherwise."""

from __future__ import annotations

from domain.action import Verdict
from governance.guard.attempt import Attempt, Refused, Wrapper
from governance.ledger.port import Reader, Transaction

KIND = "freeze"
CURRENT = "current"
FROZEN = "frozen"


def frozen_words(reader: Reader) -> str:
    """Who froze it and when, or empty."""
    record = reader.get(KIND, CURRENT)
    if record is None or record.status != FROZEN:
        return ""
    return f"frozen by {record.doc['by']} at {record.doc['at']}: {record.doc['reason'] or 'no reason given'}"


class Freeze(Wrapper):
    """Looks now, and once more in the transaction that dispatches. A person's unwind passes."""

    name = "freeze"

    async def look(self, attempt: Attempt) -> None:
        if attempt.unwinding:
            return
        words = frozen_words(self.parts.ledger)
        if words:
            attempt.say(self.name, Verdict.DENY, f"{words}; a person must resume first")

    async def carry_out(self, attempt: Attempt) -> None:
        def still_open(tx: Transaction) -> None:
            words = "" if attempt.unwinding else frozen_words(tx)
            if words:
                attempt.say(self.name, Verdict.DENY, words)
                raise Refused

        attempt.on_dispatch.append(still_open)
        await super().carry_out(attempt)
