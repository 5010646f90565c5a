"""Judged plans as they were pinned: execution is bound to these, not to what a caller sends later."""

from __future__ import annotations

from domain.action import ActionCall, Verdict
from domain.errors import NotFoundError
from domain.plan import Plan, Step
from domain.value import UtcTime, Value
from governance.attribution import Cause, Excuse
from governance.ledger.port import Reader, Record, Transaction
from governance.violations import TOLD, Violation

KIND = "plan"


class PinnedPlan(Value):
    """A plan with everything its judgement was bound to."""

    plan: Plan
    change: str
    agent: str
    policy: str
    """Policy name and revision at the time of judging."""
    judged_at: UtcTime
    entry: int
    """Sequence number of the ledger's `judgement`; what follows is caused by it."""
    digests: dict[str, str]
    """Step id → digest of id, action, target and arguments."""
    modified: dict[str, ActionCall] = {}
    """Step id → the call as a person changed it."""
    verdicts: dict[str, Verdict] = {}
    """Step id → what the agent was told when the plan was judged."""
    deadline: UtcTime | None = None
    """Until when it may be carried out, and every credential for it ends. None: a plan of an earlier release."""
    superseded_by: str = ""
    terminated_by: str = ""

    @property
    def status(self) -> str:
        """Only a judged plan can be executed."""
        if self.terminated_by:
            return "terminated"
        return "superseded" if self.superseded_by else "judged"

    def excuse(self, violation: Violation, step_id: str) -> Excuse | None:
        """An agent that was not told no goes against nobody's word: what says no now came later."""
        told = self.verdicts.get(step_id)
        if violation not in TOLD or told is Verdict.DENY:
            return None
        word = (
            f"the step was judged {told.value} in L{self.entry}" if told else "what the agent was told is not on record"
        )
        return Excuse(cause=Cause.INFRASTRUCTURE, evidence=f"{word}; what stands against it now came later")

    def step(self, step_id: str) -> Step:
        """The step with the call that is in force. Raises NotFoundError."""
        for step in self.plan.steps:
            if step.id == step_id:
                return step.model_copy(update={"call": self.modified.get(step_id, step.call)})
        raise NotFoundError(
            f"plan {self.plan.id} has no step {step_id!r}",
            expected=", ".join(step.id for step in self.plan.steps),
            found=step_id[:80],
        )


def load_plan(reader: Reader, plan_id: str) -> PinnedPlan | None:
    """The pinned plan, or None."""
    record = reader.get(KIND, plan_id)
    return None if record is None else PinnedPlan.model_validate(record.doc)


def save_plan(tx: Transaction, pinned: PinnedPlan) -> None:
    """Create or replace a pinned plan in this transaction."""
    tx.put(
        Record(
            kind=KIND,
            id=pinned.plan.id,
            change=pinned.change,
            status=pinned.status,
            at=pinned.judged_at,
            doc=pinned.model_dump(mode="json"),
        )
    )


def supersede_others(tx: Transaction, pinned: PinnedPlan) -> list[str]:
    """Older plans of the same change can no longer be executed. Returns their ids."""
    older = [
        found
        for record in tx.find(KIND, change=pinned.change, status="judged")
        if (found := PinnedPlan.model_validate(record.doc)).plan.id != pinned.plan.id
    ]
    for found in older:
        save_plan(tx, found.model_copy(update={"superseded_by": pinned.plan.id}))
    return [found.plan.id for found in older]
