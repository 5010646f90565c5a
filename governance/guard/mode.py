"""The mode of the target: observe, shadow, ask, act."""

from __future__ import annotations

from domain.action import Verdict
from domain.inventory import Mode
from governance.guard.attempt import Attempt, Wrapper

RULINGS: dict[Mode, tuple[Verdict, str]] = {
    Mode.OBSERVE: (Verdict.DENY, "it is only looked at"),
    Mode.SHADOW: (Verdict.DENY, "judged and dry-run, recorded, never carried out"),
    Mode.ASK: (Verdict.ASK, "every change needs a person"),
    Mode.ACT: (Verdict.ALLOW, "the tiers decide"),
}


class ModeOfTarget(Wrapper):
    """Observe and shadow never dispatch a change; ask asks for every one; act leaves it to the tiers."""

    name = "mode"

    async def look(self, attempt: Attempt) -> None:
        if attempt.service is None or attempt.spec is None or not attempt.spec.effect.mutating:
            return
        mode, name = attempt.service.mode, attempt.service.name
        verdict, text = RULINGS[mode]
        if attempt.unwinding and verdict is Verdict.ASK:
            verdict = Verdict.ALLOW
        attempt.say(self.name, verdict, f"{name} is in {mode.value} mode: {text}")
        if mode is Mode.OBSERVE:
            attempt.blind = f"{name} is only observed"
