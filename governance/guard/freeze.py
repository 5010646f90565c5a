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


def freeze_mark(reader: Reader) -> str:
    """Which freeze stands now, or empty. An unwind that a person orders passes this one, and no later one."""
    record = reader.get(KIND, CURRENT)
    return str(record.doc["entry"]) if record is not None and record.status == FROZEN else ""


class Freeze(Wrapper):
    """Looks now, and once more in the transaction that dispatches. A person's unwind passes the freeze it was ordered under."""

    name = "freeze"

    async def look(self, attempt: Attempt) -> None:
        words = _words(attempt, self.parts.ledger)
        if words:
            attempt.say(self.name, Verdict.DENY, f"{words}; a person must resume first")

    async def carry_out(self, attempt: Attempt) -> None:
        def still_open(tx: Transaction) -> None:
            words = _words(attempt, tx)
            if words:
                attempt.say(self.name, Verdict.DENY, words)
                raise Refused

        attempt.on_dispatch.append(still_open)
        await super().carry_out(attempt)


def _words(attempt: Attempt, reader: Reader) -> str:
    ordered_under_it = attempt.unwinding and freeze_mark(reader) == attempt.ordered_under
    return "" if ordered_under_it else frozen_words(reader)
