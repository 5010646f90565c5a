"""Services over the little world for the dev server: one paused process, one approval to give."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from domain.action import Verdict
from domain.conditions import Condition
from domain.guard import Actor, ApprovalStatus, Receipt
from graph.services import Services
from tests.fakes.house import House
from tests.fakes.world import World


def services() -> Services:
    """A step that asks; the person counts as having answered once the run comes back to act."""
    house = House(
        World(wrong={(Condition.PROCESS_PAUSED, "api"): {}}, mends={"resume_process api"}),
        verdicts={"resume_process": Verdict.ASK},
    )
    apply: Callable[..., Awaitable[Receipt]] = house.guard.apply

    async def answered(plan_id: str, step_id: str, actor: Actor, approval_id: str | None = None) -> Receipt:
        if approval_id:
            house.guard.answer(approval_id, ApprovalStatus.APPROVED)
        return await apply(plan_id, step_id, actor, approval_id)

    house.guard.apply = answered  # type: ignore[method-assign]
    return house.services
