"""The mode of the target: observe, shadow, ask, act."""

from __future__ import annotations

from typing import assert_never

from domain.action import Verdict
from domain.inventory import Mode
from governance.guard.attempt import Attempt, Wrapper


class ModeOfTarget(Wrapper):
    """Observe and shadow never dispatch a change; ask asks for every one; act leaves it to the tiers."""

    name = "mode"

    async def look(self, attempt: Attempt) -> None:
        if attempt.service is None or attempt.spec is None or not attempt.spec.effect.mutating:
            return
        name = attempt.service.name
        match attempt.service.mode:
            case Mode.OBSERVE:
                attempt.blind = f"{name} is only observed"
                attempt.say(self.name, Verdict.DENY, f"{name} is in observe mode: it is only looked at")
            case Mode.SHADOW:
                text = f"{name} is in shadow mode: judged and dry-run, recorded, never carried out"
                attempt.say(self.name, Verdict.DENY, text)
            case Mode.ASK:
                attempt.say(self.name, Verdict.ASK, f"{name} is in ask mode: every change needs a person")
            case Mode.ACT:
                attempt.say(self.name, Verdict.ALLOW, f"{name} is in act mode: the tiers decide")
            case never:
                assert_never(never)
