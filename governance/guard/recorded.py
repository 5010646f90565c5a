"""The executor with a witness: an effect that the ledger did not know of beforehand does not go unnoticed."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

from domain.action import ActionCall, ActionResult, ActionSpec, DryRunResult, Executor
from domain.guard import Actor
from governance.attribution import Cause, Excuse, Suspicion
from governance.claims import load_claim
from governance.ledger.port import Ledger, Reader
from governance.violations import Violation

INTENT = "intent"
ACTING: ContextVar[Actor | None] = ContextVar("acting", default=None)
"""On whose behalf this process works right now."""


class RecordedExecutor:
    """Implements Executor over another one. UNRECORDED_ROOT is charged to whoever this process works for."""

    def __init__(self, inner: Executor, ledger: Ledger, charge: Callable[[Suspicion], None]) -> None:
        self._inner = inner
        self._ledger = ledger
        self._charge = charge

    def spec(self, action: str) -> ActionSpec | None:
        return self._inner.spec(action)

    def specs(self) -> list[ActionSpec]:
        return self._inner.specs()

    def check(self, call: ActionCall) -> ActionCall:
        return self._inner.check(call)

    async def dry_run(self, call: ActionCall) -> DryRunResult:
        return await self._inner.dry_run(call)

    async def execute(self, call: ActionCall, *, idempotency_key: str) -> ActionResult:
        if self._ledger.get(INTENT, idempotency_key) is None:
            self._charge(_unrecorded(self._ledger, call, idempotency_key))
        return await self._inner.execute(call, idempotency_key=idempotency_key)

    async def read_back(self, call: ActionCall, result: ActionResult | None) -> ActionResult:
        return await self._inner.read_back(call, result)


def _unrecorded(reader: Reader, call: ActionCall, key: str) -> Suspicion:
    acting = ACTING.get()
    return Suspicion(
        violation=Violation.UNRECORDED_ROOT,
        agent=acting.agent if acting else "unknown",
        change=acting.change if acting else "",
        what=f"{call.action} on {call.target} was dispatched under {key[:16]!r} without an intent in the ledger",
        excuse=_own_fault(reader, key),
    )


def _own_fault(reader: Reader, key: str) -> Excuse | None:
    """A claim without an intent came through the door: then the door is broken, not the agent."""
    if load_claim(reader, key) is None:
        return None
    return Excuse(cause=Cause.INFRASTRUCTURE, evidence="the step was claimed, and the guard dispatched it unrecorded")
