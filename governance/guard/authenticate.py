"""Who is asking, and may they ask at all."""

from __future__ import annotations

from governance.guard.attempt import Attempt, Wrapper
from governance.identity import Right


class Authenticate(Wrapper):
    """Raises AuthError for an unknown token or one that may not propose changes (unwinding needs a person's)."""

    name = "authenticate"

    async def look(self, attempt: Attempt) -> None:
        if attempt.identity is None:
            attempt.identity = self.parts.identities.identify(attempt.token)
        attempt.identity.require(Right.ANSWER if attempt.unwinding else Right.PROPOSE)
