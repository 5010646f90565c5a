"""The lookout while a person is asked: a question about a system that is healthy again is withdrawn, in time.

It only reads, with the looks that follow a step. Users who are served while the cause is still there are no answer: the
question stands, and the timeline says both.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime

import structlog

from agents.verifier import HEALTH_PROBES, as_evidence, served
from agents.verifier import verify as judge_cure
from domain.conditions import findings
from domain.errors import ConflictError, FirebreakError
from domain.guard import Withdrawal
from domain.plan import Plan
from domain.report import Verification
from graph.nodes.verify import cause_of, look, telling, verified_words
from graph.services import Services
from graph.state import Knobs, State

log = structlog.get_logger(__name__)

EVERY_S = 15.0
"""Between two looks, in real seconds."""

Remark = Callable[..., Awaitable[None]]
"""(incident, event, text, **data): one fact on the timeline."""


class Lookout:
    """One task per open question of an incident; it ends with the question."""

    def __init__(self, services: Services, remark: Remark) -> None:
        self._services = services
        self._remark = remark

    @asynccontextmanager
    async def over(self, state: State, approval_id: str | None, knobs: Knobs) -> AsyncIterator[None]:
        """Look while the block runs. Questions about taking back our own change stand whatever the symptoms do."""
        plan = state.get("plan")
        if approval_id is None or plan is None or state.get("undo_asked"):
            yield
            return
        task = asyncio.create_task(self._keep(state, plan, approval_id, knobs), name=f"lookout {approval_id}")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _keep(self, state: State, plan: Plan, approval_id: str, knobs: Knobs) -> None:
        told = ""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                since, found = self._services.clock.now(), await self.look(state, plan, knobs)
                if found is not None and ended(found):
                    await self._services.guard.withdraw(approval_id, withdrawal(found, since))
                    return
                told = await self._tell(plan.incident, found, told)
            except ConflictError:
                return
            except FirebreakError as error:
                log.warning("lookout.blind", incident=plan.incident, error=error.message)

    async def _tell(self, incident: str, found: Verification | None, told: str) -> str:
        """Say once that users are better off while the cause is there; what was said, for the next look."""
        words = eased(found) if found is not None and found.symptoms_relieved and suffered(found) else ""
        if words and words != told:
            await self._remark(incident, "symptoms.eased", words)
        return words

    async def look(self, state: State, plan: Plan, knobs: Knobs) -> Verification | None:
        """What the plan's verification says now; None while users are not served, which needs no long look.

        No step led around the cause, so wherever it sits it must not be read any more.
        """
        services, diagnosis = self._services, state.get("diagnosis")
        if diagnosis is None or not served(await services.probes.run(list(HEALTH_PROBES))):
            return None
        cause = cause_of(plan, diagnosis)
        seen = await look(services, state, knobs, cause, patience_s=0.0)
        return judge_cure(
            step_id=None,
            watch=seen.watch,
            before=state.get("before", {}),
            hypothesis=cause,
            fresh=seen.fresh,
            readings=seen.readings,
            evidence=as_evidence(telling(seen, cause), [e.id for e in diagnosis.evidence]),
            changed=[f.service for f in findings(cause.details, cause.service)],
            now=services.clock.now(),
        )


def ended(found: Verification) -> bool:
    """Users were served for the whole window and nothing speaks of the cause. Pure.

    Where no user check had failed before, only the cause's own readings can say that anything ended.
    """
    return found.passed and (suffered(found) or found.cause_repaired is True)


def eased(found: Verification) -> str:
    """Why the question stands although users are served."""
    why = "something else got worse" if found.regressed else "the cause is still there"
    return f"users are served while a person is asked, but {why}: the question stands"


def suffered(found: Verification) -> bool:
    """Whether a health check failed when the plan was judged."""
    return any(ok is False for ok in found.before.values())


def withdrawal(found: Verification, since: datetime) -> Withdrawal:
    """The look in words: its verdict and what was checked."""
    checked = ", ".join(c.name.removeprefix("user check ") for c in found.checks if c.ok)
    return Withdrawal(since=since, found=f"{verified_words(found)}; checked {checked}"[:500])
