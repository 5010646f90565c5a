"""A revoked agent changes nothing any more; what it did may still be taken back under the compensation authority."""

from __future__ import annotations

from domain.action import Verdict
from governance.claims import Purpose
from governance.guard.attempt import Attempt, Refused, Wrapper
from governance.ledger.port import Reader, Record, Transaction
from governance.revocation import revocation, words
from governance.violations import Violation


class Revoked(Wrapper):
    """Looks now, and once more in the transaction that dispatches. Going on after having been told is charged."""

    name = "revocation"

    async def look(self, attempt: Attempt) -> None:
        record = _standing(self.parts.ledger, attempt)
        if record is None:
            return
        attempt.say(self.name, Verdict.DENY, f"{words(record)}; a person must give it back")
        if record.doc["told"]:
            attempt.suspect(Violation.FORBIDDEN_ACTION, "acted again after being told that it is revoked", told=True)

    async def carry_out(self, attempt: Attempt) -> None:
        def still_trusted(tx: Transaction) -> None:
            record = _standing(tx, attempt)
            if record is not None:
                attempt.say(self.name, Verdict.DENY, words(record))
                raise Refused

        attempt.on_dispatch.append(still_trusted)
        await super().carry_out(attempt)


def _standing(reader: Reader, attempt: Attempt) -> Record | None:
    exempt = attempt.unwinding or attempt.purpose is Purpose.COMPENSATE
    return None if exempt else revocation(reader, attempt.actor.agent)


def told_revoked(attempt: Attempt) -> str:
    """The agent that hears from this refusal that it is revoked; empty when it hears something else."""
    heard = any(reason.wrapper == Revoked.name for reason in attempt.denials())
    return attempt.actor.agent if heard else ""
