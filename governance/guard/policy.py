"""Policy rules over the step and over what happened before it."""

from __future__ import annotations

from typing import Any

from domain.action import Verdict
from governance.claims import Claim, ClaimState, Purpose, recent_effects
from governance.guard.attempt import Attempt, Wrapper
from governance.policy import Question

WINDOW_S = 3600
"""How far back `count` can look, in seconds."""


class PolicyRules(Wrapper):
    """The strictest matching rule wins; a judgement under another revision no longer counts."""

    name = "policy"

    async def look(self, attempt: Attempt) -> None:
        pinned = attempt.pinned.policy
        if pinned != self.parts.policy.pin:
            text = f"judged under policy {pinned}, now {self.parts.policy.pin} is in force: judge the plan again"
            attempt.say(self.name, Verdict.DENY, text)
        if attempt.spec is None or attempt.service is None:
            return
        for finding in self.parts.policy.ask(self._question(attempt)):
            verdict = Verdict.ALLOW if attempt.unwinding and finding.verdict is Verdict.ASK else finding.verdict
            attempt.say(self.name, verdict, finding.text)
            attempt.quorum = max(attempt.quorum, finding.quorum)

    def _question(self, attempt: Attempt) -> Question:
        ledger = self.parts.ledger
        recent = [c for c in recent_effects(ledger, ledger.now, WINDOW_S) if c.key != attempt.key]
        now = ledger.now

        def within(seconds: float) -> list[Claim]:
            return [c for c in recent if (now - c.claimed_at).total_seconds() <= seconds]

        def count(action: str, target: str, seconds: float) -> int:
            return sum(_is(c, action, target) for c in within(seconds) if c.purpose is Purpose.APPLY)

        def count_kind(action: str, kind: str, seconds: float) -> int:
            return sum(_is(c, action, "*") and kind in {"*", c.kind} for c in within(seconds))

        def open_now(action: str, target: str) -> int:
            return sum(_is(c, action, target) for c in recent if c.state is ClaimState.DISPATCHED)

        return Question(fields=_fields(attempt), functions={"count": count, "count_kind": count_kind, "open": open_now})


def _is(claim: Claim, action: str, target: str) -> bool:
    return action in {"*", claim.call.action} and target in {"*", claim.call.target}


def _fields(attempt: Attempt) -> dict[str, Any]:
    spec, service, plan = attempt.spec, attempt.service, attempt.pinned.plan
    assert spec is not None
    assert service is not None
    return {
        "action": {
            "name": spec.name,
            "effect": spec.effect.value,
            "binding": spec.binding,
            "undo": bool(spec.undo or attempt.step.undo),
        },
        "target": {
            "name": service.name,
            "kind": service.kind,
            "environment": attempt.environment.value,
            "criticality": service.criticality.value,
            "mode": service.mode.value,
        },
        "args": attempt.call.args,
        "agent": {"name": attempt.actor.agent, "tier": attempt.tier.value, "level": attempt.tier.level},
        "change": {"id": attempt.actor.change, "compensation": attempt.purpose is Purpose.COMPENSATE},
        "plan": {"source": plan.source, "revision": plan.revision, "steps": len(plan.steps)},
    }
