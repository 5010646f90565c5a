"""What people and other tools changed: what telemetry saw, and what was told through `/intake/change`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from domain.alert import Change
from domain.bundle import Window
from domain.plan import Plan
from domain.redaction import redact

Changes = Callable[[Window], Awaitable[list[Change]]]
"""All changes of a window, oldest first."""


def all_changes(*sources: Callable[[Window], Awaitable[Sequence[Change]]]) -> Changes:
    """Several sources as one; a change that two of them tell (by its id) counts once."""

    async def changes(window: Window) -> list[Change]:
        found: dict[str, Change] = {}
        for source in sources:
            for change in await source(window):
                found.setdefault(change.id, change)
        return sorted(found.values(), key=lambda change: change.time)

    return changes


async def meanwhile(changes: Changes, plan: Plan, now: datetime) -> str:
    """What somebody changed on a target of this plan since it was made, in words; empty when nothing was."""
    window = (plan.created_at.timestamp(), now.timestamp())
    targets = {step.call.target for step in plan.steps}
    found = [c for c in await changes(window) if c.service in targets and c.time > plan.created_at]
    told = [f"{c.kind} of {c.service}{' by ' + c.author if c.author else ''}: {c.summary}" for c in found]
    return redact("; ".join(told))[:400]
