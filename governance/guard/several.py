"""Several executors as one: each action belongs to exactly one of them."""

from __future__ import annotations

from domain.action import ActionCall, ActionResult, ActionSpec, DryRunResult, Executor
from domain.errors import ConfigError, ToolUnknownError


class SeveralExecutors:
    """Implements domain.action.Executor. Raises ConfigError when two executors have an action of one name."""

    def __init__(self, *executors: Executor) -> None:
        self._by_action: dict[str, Executor] = {}
        for executor in executors:
            for spec in executor.specs():
                if spec.name in self._by_action:
                    raise ConfigError(f"two executors have an action {spec.name}", expected="one", found="two")
                self._by_action[spec.name] = executor

    def spec(self, action: str) -> ActionSpec | None:
        executor = self._by_action.get(action)
        return executor.spec(action) if executor else None

    def specs(self) -> list[ActionSpec]:
        found = (executor.spec(name) for name, executor in sorted(self._by_action.items()))
        return [spec for spec in found if spec is not None]

    def check(self, call: ActionCall) -> ActionCall:
        return self._of(call).check(call)

    async def dry_run(self, call: ActionCall) -> DryRunResult:
        return await self._of(call).dry_run(call)

    async def execute(self, call: ActionCall, *, idempotency_key: str) -> ActionResult:
        return await self._of(call).execute(call, idempotency_key=idempotency_key)

    async def read_back(self, call: ActionCall, result: ActionResult | None) -> ActionResult:
        return await self._of(call).read_back(call, result)

    def _of(self, call: ActionCall) -> Executor:
        executor = self._by_action.get(call.action)
        if executor is None:
            raise ToolUnknownError(f"no action {call.action!r} is registered"[:200])
        return executor
