"""Policy rules over the step and over what happened before it."""

from __future__ import annotations

from collections.abc import Sequence as Many
from typing import Any

from domain.action import Reason, Verdict
from governance.claims import Purpose
from governance.guard.attempt import Attempt, Refused, Wrapper
from governance.ledger.port import Reader, Transaction
from governance.policy import Finding, Question
from governance.sequence import Sequence
from governance.violations import Violation


class PolicyRules(Wrapper):
    """The strictest matching rule wins; a judgement under another revision no longer counts.

    Rules about sequences are asked again in the claim's transaction, where nobody can get in between.
    """

    name = "policy"

    async def look(self, attempt: Attempt) -> None:
        pinned = attempt.pinned.policy
        if pinned != self.parts.policy.pin:
            text = f"judged under policy {pinned}, now {self.parts.policy.pin} is in force: judge the plan again"
            attempt.say(self.name, Verdict.DENY, text)
        for finding in self._findings(attempt, self.parts.ledger):
            attempt.say(self.name, _verdict(finding, attempt), finding.text)
            if _verdict(finding, attempt) is Verdict.DENY:
                attempt.suspect(Violation.FORBIDDEN_ACTION, finding.text)
            attempt.quorum = max(attempt.quorum, finding.quorum)

    async def carry_out(self, attempt: Attempt) -> None:
        await self.look(attempt)

        def still_so(tx: Transaction) -> None:
            overtaken = [f.text for f in self._findings(attempt, tx) if _stricter(f, attempt)]
            if overtaken:
                text = f"something else happened since this was looked at: {'; '.join(overtaken)}"
                raise Refused(Reason(wrapper=self.name, verdict=Verdict.DENY, text=text))

        attempt.on_claim.append(still_so)
        await self.inner.carry_out(attempt)

    def _findings(self, attempt: Attempt, reader: Reader) -> Many[Finding]:
        if attempt.spec is None or attempt.service is None:
            return []
        functions = Sequence(reader, attempt.key).functions()
        return self.parts.policy.ask(Question(fields=fields(attempt), functions=functions))


def _verdict(finding: Finding, attempt: Attempt) -> Verdict:
    """A person who unwinds is not asked whether they may."""
    return Verdict.ALLOW if attempt.unwinding and finding.verdict is Verdict.ASK else finding.verdict


def _stricter(finding: Finding, attempt: Attempt) -> bool:
    return _verdict(finding, attempt).strictness > attempt.verdict.strictness


def fields(attempt: Attempt) -> dict[str, dict[str, Any]]:
    """What a condition may read about an attempt at a known action on a known target (governance.vocabulary)."""
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
        "args": attempt.typed_args,
        "agent": {"name": attempt.actor.agent, "tier": attempt.tier.value, "level": attempt.tier.level},
        "change": {"id": attempt.actor.change, "compensation": attempt.purpose is Purpose.COMPENSATE},
        "plan": {"source": plan.source, "revision": plan.revision, "steps": len(plan.steps)},
        "taint": {"args": attempt.step.tainted_args, "unknown": attempt.strange_args},
    }
