"""Who is asking, and may they ask at all."""

from __future__ import annotations

from domain.zone import BINDING
from governance.guard.attempt import Attempt, Wrapper
from governance.identity import Right


class Authenticate(Wrapper):
    """Raises AuthError for an unknown token or one that may not propose changes (unwinding needs a person's)."""

    name = "authenticate"

    async def look(self, attempt: Attempt) -> None:
        if attempt.identity is None:
            attempt.identity = self.parts.identities.identify(attempt.token)
        attempt.identity.require(Right.ANSWER if attempt.unwinding else _needed(attempt))


def _needed(attempt: Attempt) -> Right:
    """Faults are injected by the chaos server alone, and it does nothing else."""
    in_zone = attempt.spec is not None and attempt.spec.binding == BINDING
    return Right.INJECT if in_zone else Right.PROPOSE
