"""The guard itself: every step through all wrappers, on behalf of whoever holds the token that comes with it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from domain.action import Judgement, Outcome, Verdict
from domain.errors import AuthError, ConflictError, NotFoundError
from domain.guard import Actor, Approval, ApprovalAnswer, Receipt
from domain.plan import Plan, Step
from governance.attribution import Suspicion
from governance.claims import Claim, Purpose, applied_claim, unresolved
from governance.guard.agents import Agents
from governance.guard.answers import give_answer
from governance.guard.attempt import Attempt, Parts, Refused, Wrapper, receipt_of
from governance.guard.face import UnwindReport
from governance.guard.freeze import freeze_mark
from governance.guard.judging import attempt_for, check_plan, pin, register
from governance.guard.lock import tell_overtaken
from governance.guard.order import WRAPPERS, nested
from governance.guard.recorded import ACTING, RecordedExecutor
from governance.guard.resolve import resolve
from governance.guard.revoked import told_revoked
from governance.guard.saga import KIND as SAGA
from governance.guard.saga import RUNNING, TakeBack, unwind, walk
from governance.guard.shadow import only_shadowed
from governance.guard.trust import Trust
from governance.identity import Identity, Right, Role
from governance.ledger.port import Draft
from governance.plans import PinnedPlan, load_plan
from governance.revocation import tell
from governance.violations import Violation


class GuardedExecutor:
    """An executor behind all wrappers. Every question comes with the token of whoever asks."""

    def __init__(self, parts: Parts, wrappers: Sequence[type[Wrapper]] = WRAPPERS) -> None:
        self.parts = parts
        self.trust = Trust(parts)
        parts.executor = RecordedExecutor(parts.executor, parts.ledger, self.trust.charge_soon)
        self._door = nested(parts, wrappers)
        self._tasks: set[asyncio.Task[Receipt]] = set()

    def agents_for(self, token: str) -> Agents:
        """The agents as the holder of this token sees them."""
        return Agents(self.parts, self.trust, lambda right: self.holder(token, right))

    def holder(self, token: str, right: Right) -> Identity:
        """Who holds the token. Raises AuthError when nobody does or the right is missing."""
        identity = self.parts.identities.identify(token)
        identity.require(right)
        return identity

    async def judge(self, plan: Plan, actor: Actor, token: str) -> list[Judgement]:
        """Judge every step and pin the plan. Raises AuthError, ConflictError, GovernanceError."""
        check_plan(plan)
        self.trust.heartbeats.heard(actor)
        pinned = pin(plan, actor, self.parts)
        attempts = [
            attempt_for(self.parts, pinned, pinned.step(step.id), actor, Purpose.JUDGE, token)
            for step in pinned.plan.steps
        ]
        for attempt in attempts:
            try:
                await self._door.judge(attempt)
            except AuthError as error:
                self._record_refusal(attempt, error.message)
                raise
        with self.parts.ledger.transaction() as tx:
            return register(tx, pinned, attempts, self.parts)

    async def apply(
        self, plan_id: str, step_id: str, actor: Actor, token: str, approval_id: str | None = None
    ) -> Receipt:
        """Carry out one step. Raises AuthError, NotFoundError."""
        pinned, step = await self._pinned(plan_id, step_id, actor, token)
        attempt = attempt_for(self.parts, pinned, step, actor, Purpose.APPLY, token)
        attempt.approval_id = approval_id
        return await self._unbroken(attempt)

    async def compensate(self, plan_id: str, step_id: str, actor: Actor, token: str) -> Receipt:
        """Take one applied step back. Raises AuthError, NotFoundError, ConflictError."""
        pinned, step = await self._pinned(plan_id, step_id, actor, token)
        claim = applied_claim(self.parts.ledger, plan_id, step_id, pinned.change)
        if claim is None or not claim.lasting:
            raise ConflictError(
                f"step {step_id} has nothing to take back",
                expected="an applied and confirmed step",
                found=claim.state.value if claim else "never applied",
                code="compensation.nothing",
            )
        attempt = self._compensation(pinned, step, claim, actor)
        attempt.token = token
        return await self._unbroken(attempt)

    async def answer(self, approval_id: str, answer: ApprovalAnswer, token: str) -> Approval:
        """A person's answer."""
        return await give_answer(self.parts, self._door, approval_id, answer, self.holder(token, Right.ANSWER))

    async def unwind(self, person: Identity, change: str | None) -> UnwindReport:
        """Take everything back that can be, last one first."""
        taker = self._taker(person, freeze_mark(self.parts.ledger))
        return await unwind(self.parts.ledger, person.name, change, taker)

    async def recover(self) -> list[Claim]:
        """At start: resolve what was dispatched when the process ended, carry interrupted sagas on."""
        resolved = [await resolve(claim, self.parts) for claim in unresolved(self.parts.ledger)]
        for record in self.parts.ledger.find(SAGA, status=RUNNING):
            person = Identity(name=record.doc["by"], roles=frozenset({Role.ADMIN}))
            taker = self._taker(person, record.doc["freeze"])
            await walk(self.parts.ledger, record.id, person.name, record.doc["change"], taker)
        return resolved

    async def quiet(self) -> None:
        """Wait for what is running; new attempts are somebody else's concern by now."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=30)
        await self.trust.quiet()

    async def _pinned(self, plan_id: str, step_id: str, actor: Actor, token: str) -> tuple[PinnedPlan, Step]:
        self.trust.heartbeats.heard(actor)
        pinned = load_plan(self.parts.ledger, plan_id)
        if pinned is not None:
            return pinned, pinned.step(step_id)
        who = self.holder(token, Right.PROPOSE)
        content = {
            "plan": plan_id[:200],
            "step": step_id[:200],
            "why": "APPLY_WITHOUT_PLAN: this plan was never judged",
        }
        with self.parts.ledger.transaction() as tx:
            tx.append(Draft(kind="refusal", actor=who.name, change=actor.change, content=content))
        suspicion = Suspicion(
            violation=Violation.APPLY_WITHOUT_PLAN,
            agent=actor.agent,
            change=actor.change,
            what=f"step {step_id[:60]} of plan {plan_id[:60]}, which was never judged",
        )
        await self.trust.charge([suspicion])
        raise NotFoundError(
            "APPLY_WITHOUT_PLAN: this plan was never judged",
            expected="the id of a judged plan",
            found=plan_id[:80],
            hint="judge the plan first",
            code="plan.unknown",
        )

    def _compensation(self, pinned: PinnedPlan, step: Step, claim: Claim, actor: Actor) -> Attempt:
        """Under the compensation authority: no lower than where the step was claimed, wherever its agent sits by now."""
        if claim.undo is None:
            raise ConflictError(
                f"step {step.id} cannot be taken back",
                expected="an undo recorded when it was applied",
                found=step.cannot_undo or "none was recorded",
                code="compensation.impossible",
            )
        back = step.model_copy(update={"call": claim.undo, "undo": None, "tainted_args": []})
        attempt = attempt_for(self.parts, pinned, back, actor, Purpose.COMPENSATE)
        attempt.compensates = claim
        attempt.tier = max(claim.tier, attempt.tier, key=lambda tier: tier.level)
        return attempt

    def _taker(self, person: Identity, freeze: str) -> TakeBack:
        return lambda claim: self._take_back(claim, person, freeze)

    async def _take_back(self, claim: Claim, person: Identity, freeze: str) -> Receipt:
        pinned = load_plan(self.parts.ledger, claim.plan)
        assert pinned is not None, "a claim belongs to a pinned plan"
        actor = Actor(agent=claim.agent, change=claim.change)
        attempt = self._compensation(pinned, pinned.step(claim.step), claim, actor)
        attempt.identity, attempt.unwinding, attempt.ordered_under = person, True, freeze
        return await self._unbroken(attempt)

    async def _unbroken(self, attempt: Attempt) -> Receipt:
        """A caller that goes away does not stop what has begun."""
        task = asyncio.ensure_future(self._through(attempt))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _through(self, attempt: Attempt) -> Receipt:
        ACTING.set(attempt.actor)
        try:
            await self._door.carry_out(attempt)
        except Refused as refused:
            receipt = self._refused(attempt, refused)
            await self.trust.charge(attempt.suspicions)
            return receipt
        except AuthError as error:
            self._record_refusal(attempt, error.message)
            raise
        await self.trust.charge(attempt.suspicions)
        return receipt_of(attempt)

    def _refused(self, attempt: Attempt, refused: Refused) -> Receipt:
        asked = refused.approval_id is not None
        reasons = [*attempt.reasons, *([refused.reason] if refused.reason else [])]
        words = [reason.text for reason in reasons if reason.verdict is (Verdict.ASK if asked else Verdict.DENY)]
        entries = list(attempt.entries)
        if not asked:
            entries.append(self._record_refusal(attempt, "; ".join(words)))
        return Receipt(
            step_id=attempt.step.id,
            verdict=Verdict.ASK if asked else Verdict.DENY,
            outcome=Outcome.SKIPPED,
            summary="; ".join(words)[:500] or "refused",
            reasons=reasons,
            ledger=entries,
            approval_id=refused.approval_id,
        )

    def _record_refusal(self, attempt: Attempt, why: str) -> int:
        kind = "shadow" if only_shadowed(attempt) else "refusal"
        content: dict[str, Any] = {**attempt.facts(), "why": why[:1000]}
        if attempt.dry_run is not None:
            content["dry_run"] = attempt.dry_run.model_dump(mode="json")
        with self.parts.ledger.transaction() as tx:
            if heard := told_revoked(attempt):
                tell(tx, heard)
            tell_overtaken(tx, attempt)
            return tx.append(Draft(kind=kind, actor=attempt.author, change=attempt.actor.change, content=content)).seq
