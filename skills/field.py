"""A skill that an incident used: what became of its plan, as a report like that of any other run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from domain.action import Judgement, Outcome, Verdict
from domain.plan import Plan, StepResult
from domain.report import Verification
from skills.planning import step_reports
from skills.report import Order, Report, RunStatus, Seen, StepReport
from skills.schema import Skill
from skills.store import Standing, Trust

MARK = "skill "
"""How the source of a plan begins that a skill wrote."""
INCIDENT = "incident cured"
"""The row of the incident's own look among the criteria. No check can have this name: it has a space."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """A plan, and what its incident made of it."""

    incident: str
    plan: Plan
    results: Sequence[StepResult]
    judgements: Sequence[Judgement]
    looks: Sequence[Verification]
    refused: str = ""
    """Who said no to it, and why, when none of its steps was carried out."""

    @property
    def skill(self) -> str:
        """Who wrote the plan; empty when it was no skill."""
        source = self.plan.source
        return source.removeprefix(MARK).split(" ", 1)[0] if source.startswith(MARK) else ""

    @property
    def version(self) -> str:
        """Of that skill."""
        return self.plan.source.split(" ")[2]

    @property
    def begun(self) -> bool:
        """Whether any of its steps was carried out, in whatever way."""
        return any(self.result(step.id) for step in self.plan.steps)

    @property
    def look(self) -> Verification | None:
        """The last one after a step of it."""
        mine = {step.id for step in self.plan.steps}
        return next((v for v in reversed(self.looks) if v.step_id in mine), None)

    def result(self, step: str, *, back: bool = False) -> StepResult | None:
        """What a step came to, or what taking it back came to."""
        return next((r for r in self.results if r.step_id == step and r.compensation is back), None)

    def denied(self, step: str) -> bool:
        """Whether governance said no to a step."""
        return any(j.step_id == step and j.verdict is Verdict.DENY for j in self.judgements)


def standing_of(used: Used, history: Sequence[Standing]) -> Standing | None:
    """The trust that let it plan; None when nobody trusted that version. `history` oldest first."""
    trusted = (s for s in reversed(history) if s.trust is Trust.TRUSTED and s.version == used.version)
    return next(trusted, None)


def field_report(used: Used, standing: Standing, skill: Skill, given: dict[str, Any], run_id: str) -> Report:
    """The report of a plan before its own criteria were looked at; `skill` with everything filled in."""
    return Report(
        id=run_id,
        order=Order(skill=skill.name, execute=True, allow_mutation=True),
        version=standing.version,
        digest=standing.digest,
        trust=standing.trust.value,
        incident=used.incident,
        given=given,
        status=RunStatus.RUNNING if used.begun else RunStatus.BLOCKED,
        plan=used.plan.id,
        steps=[_carried_out(row, used) for row in step_reports(skill, used.plan)],
        visible=[_cured(used.look)] if used.begun else [],
        notes=[used.refused] if used.refused else [],
        started_at=used.plan.created_at,
    )


def told(report: Report, record: str) -> str:
    """One line for an incident's timeline."""
    why = f": {report.failure.signature}, {report.failure.text}" if report.failure else ""
    return f"skill {report.order.skill} {report.version} {report.status.value}{why}; {record}"


def _carried_out(row: StepReport, used: Used) -> StepReport:
    done, back = used.result(row.id), used.result(row.id, back=True)
    if done is None:
        return row.model_copy(update={"verdict": Verdict.DENY if used.denied(row.id) else None})
    return row.model_copy(
        update={
            "verdict": Verdict.ALLOW,
            "outcome": done.outcome,
            "summary": done.summary,
            "undo": done.undo,
            "seconds": done.seconds,
            "ledger": [*done.ledger, *(back.ledger if back else [])],
            "taken_back": None if back is None else back.outcome in (Outcome.SUCCEEDED, Outcome.SKIPPED),
        }
    )


def _cured(look: Verification | None) -> Seen:
    """What the incident saw after the last step."""
    if look is None:
        return Seen(name=INCIDENT, holds=None, text="nobody looked after the last step")
    wrong = [f"{c.name}: {c.text}" for c in look.checks if c.ok is False]
    return Seen(name=INCIDENT, holds=look.passed, text="; ".join(wrong)[:400] or "users are served, the cause is gone")
