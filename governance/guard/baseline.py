"""Golden snapshots are compared right before and right after an execution, so that another's change is not the agent's."""

from __future__ import annotations

from collections.abc import Mapping

from governance.attribution import Cause, Excuse
from governance.baselines import changed, pin, pinned
from governance.guard.attempt import Attempt, Wrapper
from governance.violations import Violation


class Baseline(Wrapper):
    """A snapshot that is another one after the agent's step was mutated by it; one that changed before was not."""

    name = "baseline"

    async def carry_out(self, attempt: Attempt) -> None:
        before = await self.parts.baselines.digests()
        excuse = Excuse(cause=Cause.HUMAN, evidence="it changed while no step of an agent was running")
        self._suspect(attempt, pinned(self.parts.ledger), before, excuse)
        await self.inner.carry_out(attempt)
        after = await self.parts.baselines.digests()
        self._suspect(attempt, before, after)
        if after != pinned(self.parts.ledger):
            with self.parts.ledger.transaction() as tx:
                pin(tx, after)

    def _suspect(
        self, attempt: Attempt, before: Mapping[str, str], after: Mapping[str, str], excuse: Excuse | None = None
    ) -> None:
        for name in changed(before, after):
            what = f"golden snapshot {name} was {before[name][:16] or 'gone'}, now {after.get(name, '')[:16] or 'gone'}"
            attempt.suspect(Violation.BASELINE_MUTATION, what, excuse)
