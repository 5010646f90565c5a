"""The innermost door: the only place that calls an executor's execute."""

from __future__ import annotations

import asyncio

from domain.action import ActionResult, Outcome
from domain.errors import FirebreakError
from governance.guard.attempt import Attempt, Parts

PATIENCE = 1.25
"""The executor's own timeout, which knows more, comes first; this one ends what hangs."""


class Execute:
    """One dispatch with a timeout. Whatever goes wrong after it is UNKNOWN until a read-back tells."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    async def judge(self, attempt: Attempt) -> None:
        """Nothing to add."""

    async def carry_out(self, attempt: Attempt) -> None:
        started = self.parts.clock.monotonic()
        timeout = (attempt.spec.timeout_s if attempt.spec else 30.0) * PATIENCE
        task = asyncio.ensure_future(self.parts.executor.execute(attempt.call, idempotency_key=attempt.key))
        self.parts.in_flight[attempt.key] = task
        try:
            await asyncio.wait({task}, timeout=timeout)
            result = await _ended(task, timeout)
        finally:
            task.cancel()
            del self.parts.in_flight[attempt.key]
        if not result.seconds:
            result = result.model_copy(update={"seconds": self.parts.clock.monotonic() - started})
        attempt.result = result


async def _ended(task: asyncio.Task[ActionResult], timeout: float) -> ActionResult:
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=1.0)
        return _unknown(f"no answer within {timeout:g} s")
    if task.cancelled():
        return _unknown("stopped while it ran")
    error = task.exception()
    if error is None:
        return task.result()
    if isinstance(error, FirebreakError):
        return _unknown("; ".join(error.lines()))
    if isinstance(error, Exception):
        return _unknown(f"{type(error).__name__}: {str(error)[:200]}")
    raise error


def _unknown(why: str) -> ActionResult:
    return ActionResult(outcome=Outcome.UNKNOWN, summary=why)
