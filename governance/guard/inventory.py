"""Schema and inventory: a registered action, typed arguments, a target that exists and can be reached that way."""

from __future__ import annotations

from domain.action import ActionSpec, Verdict
from domain.errors import FirebreakError
from domain.inventory import Service
from governance.guard.attempt import Attempt, Wrapper
from governance.violations import Violation


class SchemaAndInventory(Wrapper):
    """What is not registered, not in the inventory, or not typed as declared, goes no further."""

    name = "inventory"

    async def look(self, attempt: Attempt) -> None:
        outside = self._target(attempt)
        problems = [*self._action(attempt), *outside]
        for problem in outside:
            attempt.suspect(Violation.UNAUTHORIZED_POOL, problem)
        if not problems:
            problems = _mismatch(attempt.spec, attempt.service)
        if not problems:
            problems = self._arguments(attempt)
        for problem in problems:
            attempt.say(self.name, Verdict.DENY, problem)
        if problems:
            attempt.blind = "the call is not valid"
        else:
            attempt.say(self.name, Verdict.ALLOW, f"{attempt.call.action} on {attempt.call.target} is a valid call")

    def _action(self, attempt: Attempt) -> list[str]:
        return [] if attempt.spec else [f"no action {attempt.call.action!r} is registered"[:200]]

    def _target(self, attempt: Attempt) -> list[str]:
        pool = self.parts.policy.document.pools.get(attempt.actor.agent)
        if attempt.service is not None:
            outside = pool is not None and attempt.service.name not in pool
            return [f"{attempt.service.name} is not in the pool of {attempt.actor.agent}"] if outside else []
        names = ", ".join(self.parts.inventory.names())
        return [f"expected a target of the inventory ({names}), found {attempt.call.target!r}"[:400]]

    def _arguments(self, attempt: Attempt) -> list[str]:
        try:
            checked = self.parts.executor.check(attempt.call)
        except FirebreakError as error:
            return ["; ".join(error.lines())[:400]]
        if (checked.action, checked.target) != (attempt.call.action, attempt.call.target):
            return ["the check gave back another call"]
        attempt.typed_args = checked.args
        return []


def _mismatch(spec: ActionSpec | None, service: Service | None) -> list[str]:
    assert spec is not None
    assert service is not None
    if spec.target_kinds and service.kind not in spec.target_kinds:
        return [f"{spec.name} works on {', '.join(spec.target_kinds)}; {service.name} is a {service.kind}"]
    aspects = spec.binding.split("|")
    if spec.binding and not any(aspect in service.bindings for aspect in aspects):
        return [f"{spec.name} needs a {' or '.join(aspects)} binding, which {service.name} does not have"]
    return []
