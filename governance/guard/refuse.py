"""Here a no ends the way, with all its reasons."""

from __future__ import annotations

from governance.guard.attempt import Attempt, Refused, Wrapper


class Refuse(Wrapper):
    """The wrappers outside gave their reasons; one deny among them, or none at all, is enough."""

    name = "refuse"

    async def carry_out(self, attempt: Attempt) -> None:
        if attempt.denials() or not attempt.reasons:
            raise Refused
        await self.inner.carry_out(attempt)
