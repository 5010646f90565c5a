"""One change of a trial through the guard, and taking it back: asked for, waited for where people are asked, written down."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.rehearsal.ground import Ground
from contracts.rehearsal.trial import Leg, Trial, TrialStatus
from domain.action import Effect, Outcome, Verdict
from domain.errors import ConflictError
from domain.guard import ApprovalStatus, Receipt
from domain.plan import Plan, Step

STEP = "s1"
DONE = (Outcome.SUCCEEDED, Outcome.SKIPPED)
ANSWERED = (ApprovalStatus.APPROVED, ApprovalStatus.CONSUMED)
ASK_EVERY_S = 2.0
AGAIN = 5
"""How often a change is asked for whose outcome nobody knows: the guard looks, and does not do it twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of it. `waited_s`: seconds in which a person was waited for."""

    outcome: Outcome
    said: str
    waited_s: float = 0.0

    @property
    def done(self) -> bool:
        """Whether the world is as it was asked for."""
        return self.outcome in DONE


class Hands:
    """The guard, on behalf of one trial."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def do(self, trial: Trial, place: int) -> tuple[Trial, Told]:
        """Carry out the row's call. Whatever happened stands in the row."""
        yard, plan = self._ground.yard, planned(trial, place)
        actor, waited = yard.actor(trial.id), 0.0
        (judgement,) = await yard.guard.judge(plan, actor)
        if judgement.verdict is Verdict.DENY:
            reasons = "; ".join(r.text for r in judgement.reasons if r.verdict is Verdict.DENY)
            return self._refused(trial, place, f"the guard refused: {reasons}", waited)
        approval = judgement.approval_id or ""
        if judgement.verdict is Verdict.ASK:
            trial, refused, waited = await self._asked(trial, place, approval)
            if refused:
                return self._refused(trial, place, refused, waited)
        receipt = await yard.guard.apply(plan.id, STEP, actor, approval or None)
        for _ in range(AGAIN):
            if receipt.outcome is not Outcome.UNKNOWN:
                break
            await yard.clock.sleep(ASK_EVERY_S)
            receipt = await yard.guard.apply(plan.id, STEP, actor, approval or None)
        if receipt.verdict is not Verdict.ALLOW:
            return self._refused(trial, place, receipt.summary, waited)
        told = Told(outcome=receipt.outcome, said=receipt.summary, waited_s=waited)
        return self._saved(trial.with_row(place, outcome=receipt.outcome, said=receipt.summary)), told

    async def undo(self, trial: Trial, place: int) -> tuple[Trial, Told]:
        """Take the row's change back with the undo that was captured before it. Nothing to take back is fine too."""
        row, yard = trial.rows[place], self._ground.yard
        waited = 0.0
        try:
            receipt = await yard.guard.compensate(row.plan, STEP, yard.actor(trial.id))
            while receipt.verdict is Verdict.ASK:
                trial, refused, more = await self._asked(trial, place, receipt.approval_id or "")
                waited += more
                if refused:
                    return trial, Told(outcome=Outcome.FAILED, said=refused, waited_s=waited)
                receipt = await yard.guard.compensate(row.plan, STEP, yard.actor(trial.id))
        except ConflictError as error:
            if row.outcome in DONE:
                return trial, Told(outcome=Outcome.FAILED, said=error.message)
            return self._undone(trial, place), Told(outcome=Outcome.SKIPPED, said="nothing came of it")
        told = Told(outcome=receipt.outcome, said=receipt.summary, waited_s=waited)
        return (self._undone(trial, place) if _allowed(receipt) else trial), told

    async def _asked(self, trial: Trial, place: int, approval: str) -> tuple[Trial, str, float]:
        """(the trial, why not; empty when a person said yes, seconds waited)."""
        yard = self._ground.yard
        began = yard.clock.monotonic()
        trial = self._saved(trial.with_row(place, approval=approval).model_copy(update={"status": TrialStatus.WAITING}))
        while True:
            found = await yard.guard.approval(approval)
            late = found.expires_at <= yard.clock.now()
            if found.status is not ApprovalStatus.OPEN or late:
                break
            await yard.clock.sleep(ASK_EVERY_S)
        trial = self._saved(trial.model_copy(update={"status": TrialStatus.RUNNING}))
        waited = yard.clock.monotonic() - began
        if found.status in ANSWERED:
            return trial, "", waited
        said = "nobody answered in time" if late else found.reason or found.status.value
        return trial, f"approval {approval}: {said}", waited

    def _refused(self, trial: Trial, place: int, said: str, waited: float) -> tuple[Trial, Told]:
        """What the guard did not let through leaves nothing to take back."""
        row = {"outcome": Outcome.FAILED, "said": said, "undone": True}
        return self._saved(trial.with_row(place, **row)), Told(outcome=Outcome.FAILED, said=said, waited_s=waited)

    def _undone(self, trial: Trial, place: int) -> Trial:
        return self._saved(trial.with_row(place, undone=True))

    def _saved(self, trial: Trial) -> Trial:
        self._ground.save(trial)
        return trial


def planned(trial: Trial, place: int) -> Plan:
    """One plan per change: it is judged and approved when it is due, on the state of that moment."""
    row = trial.rows[place]
    assert row.call is not None, "only changes are planned"
    step = Step(
        id=STEP,
        call=row.call,
        effect=Effect.TRANSIENT if row.leg is Leg.FLUSH_CACHE else Effect.REVERSIBLE,
        rationale=f"{row.leg.value.replace('_', ' ')}: rehearsal of the way back of contract {trial.contract}",
    )
    return Plan(
        id=row.plan,
        incident=trial.id,
        hypothesis=f"{trial.version} of {trial.service} can be taken back as contract {trial.contract} says",
        steps=[step],
        source=f"contract {trial.contract}",
        created_at=trial.started_at,
    )


def _allowed(receipt: Receipt) -> bool:
    return receipt.verdict is Verdict.ALLOW and receipt.outcome in DONE
