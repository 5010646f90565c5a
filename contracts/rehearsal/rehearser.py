"""There and back: the release goes out, is taken back as the contract says, and everything is compared with before."""

from __future__ import annotations

from typing import Any

from contracts.rehearsal.changing import Hands
from contracts.rehearsal.comparing import differences
from contracts.rehearsal.ground import Ground
from contracts.rehearsal.opening import FLUSH, MIGRATE, RELEASE
from contracts.rehearsal.trial import Leg, Row, Trial, TrialStatus
from contracts.rehearsal.watching import Seen, watch
from domain.action import ActionCall

BACK = {Leg.RELEASE: Leg.TAKE_BACK, Leg.MIGRATE_UP: Leg.MIGRATE_DOWN, Leg.NEW_ON_OLD: Leg.TAKE_BACK}
"""Which leg takes another one back."""


class Rehearser:
    """One trial under way. Every step is written down before and after."""

    def __init__(self, trial: Trial, ground: Ground) -> None:
        self.trial = trial
        self._ground = ground
        self._hands = Hands(ground)
        self._waited = 0.0

    async def run(self) -> Trial:
        """To its end. What fails on the way there is a problem; the way back is walked all the same."""
        self._set(before=await self._ground.witness(self.trial.service))
        if await self._looked(Leg.BEFORE, self.trial.former, "users are not served well before anything is changed"):
            await self._there()
            await self._back()
        return await self._end(TrialStatus.PASSED)

    async def take_up(self) -> Trial:
        """After its process died: everything back, and no proof."""
        self._problem("the process that rehearsed it was stopped half-way")
        await self._back()
        return await self._end(TrialStatus.INTERRUPTED)

    async def _there(self) -> None:
        trial = self.trial
        release = ActionCall(action=RELEASE, target=trial.service, args={"version": trial.version})
        if trial.revision:
            await self._tried_on_the_old_schema(release)
            migrate = ActionCall(action=MIGRATE, target=trial.service, args={"revision": trial.revision})
            if not await self._changed(Leg.MIGRATE_UP, migrate, must=True):
                return
            await self._old_code()
        if await self._changed(Leg.RELEASE, release, must=True):
            await self._looked(Leg.RELEASE, trial.version, f"{trial.version} does not serve users as it should")

    async def _tried_on_the_old_schema(self, release: ActionCall) -> None:
        """Whether the new code may go out before the migration: an answer, not a condition."""
        if await self._changed(Leg.NEW_ON_OLD, release):
            seen = await watch(self.trial, self._ground, self.trial.version)
            place = self._place(Leg.NEW_ON_OLD)
            self._row(place, works=seen.works, said=seen.said)
            await self._undone(place)
        else:
            self._row(self._place(Leg.NEW_ON_OLD), works=False)

    async def _old_code(self) -> None:
        """The plan leaves the new schema in place only where the old code lives with it."""
        seen = await self._look(Leg.OLD_ON_NEW, self.trial.former)
        if seen.works is not True and not self.trial.downs:
            self._problem(f"the plan leaves the new schema, and {self.trial.former} does not live with it: {seen.said}")

    async def _back(self) -> None:
        """As the plan says, timed; then whatever it leaves, so that the environment is as it was."""
        clock = self._ground.yard.clock
        began, self._waited = clock.monotonic(), 0.0
        await self._all_undone(Leg.RELEASE, Leg.NEW_ON_OLD, *([Leg.MIGRATE_UP] if self.trial.downs else []))
        await self._restored_config()
        if self.trial.flushes:
            await self._changed(Leg.FLUSH_CACHE, ActionCall(action=FLUSH, target=self.trial.flushes), must=True)
        turned = clock.monotonic()
        seen = await self._look(Leg.VERIFY, self.trial.former)
        self._set(seconds=round(turned - began + seen.ready_s - self._waited, 2))
        await self._all_undone(Leg.MIGRATE_UP)
        if seen.works is not True:
            self._problem(f"taken back, and users are not served: {seen.said}")
        after = await self._ground.witness(self.trial.service)
        if self.trial.before is not None:
            self._set(after=after, differences=differences(self.trial.before, after))

    async def _restored_config(self) -> None:
        before = self.trial.before
        if before is None or not before.configuration:
            return
        now = (await self._ground.witness(self.trial.service)).configuration
        if now != before.configuration:
            args = {"version": before.configuration}
            call = ActionCall(action="restore_config", target=self.trial.service, args=args)
            await self._changed(Leg.RESTORE_CONFIG, call, must=True)

    async def _all_undone(self, *legs: Leg) -> None:
        """Newest first, whatever is not taken back yet."""
        for place in reversed(range(len(self.trial.rows))):
            row = self.trial.rows[place]
            if row.leg in legs and row.plan and not row.undone:
                await self._undone(place)

    async def _undone(self, place: int) -> None:
        clock = self._ground.yard.clock
        began = clock.monotonic()
        self.trial, told = await self._hands.undo(self.trial, place)
        self._waited += told.waited_s
        row = self.trial.rows[place]
        leg = Leg.CLEAN_UP if row.leg is Leg.MIGRATE_UP and not self.trial.downs else BACK[row.leg]
        seconds = clock.monotonic() - began - told.waited_s
        self._add(Row(leg=leg, outcome=told.outcome, said=told.said, seconds=round(seconds, 2)))
        if not told.done:
            self._problem(f"{row.leg.value.replace('_', ' ')} could not be taken back: {told.said}")

    async def _changed(self, leg: Leg, call: ActionCall, *, must: bool = False) -> bool:
        clock, place = self._ground.yard.clock, len(self.trial.rows)
        began = clock.monotonic()
        self._add(Row(leg=leg, call=call, plan=f"{self.trial.id}-{place + 1}", undone=leg not in BACK))
        self.trial, told = await self._hands.do(self.trial, place)
        self._waited += told.waited_s
        self._row(place, seconds=round(clock.monotonic() - began - told.waited_s, 2))
        if must and not told.done:
            self._problem(f"{leg.value.replace('_', ' ')} failed: {told.said}")
        return told.done

    async def _looked(self, leg: Leg, version: str, problem: str) -> bool:
        seen = await self._look(leg, version)
        if seen.works is not True:
            word = "nobody can tell whether " if seen.works is None else ""
            self._problem(f"{word}{problem}: {seen.said}")
        return seen.works is True

    async def _look(self, leg: Leg, version: str) -> Seen:
        clock = self._ground.yard.clock
        began = clock.monotonic()
        seen = await watch(self.trial, self._ground, version)
        self._add(Row(leg=leg, works=seen.works, said=seen.said, seconds=round(clock.monotonic() - began, 2)))
        return seen

    async def _end(self, good: TrialStatus) -> Trial:
        whole = not self.trial.problems and self.trial.restored
        status = good if whole or good is TrialStatus.INTERRUPTED else TrialStatus.FAILED
        self._set(status=status, ended_at=self._ground.yard.clock.now())
        return self.trial

    def _place(self, leg: Leg) -> int:
        return next(i for i, row in enumerate(self.trial.rows) if row.leg is leg)

    def _row(self, place: int, **changes: Any) -> None:
        self.trial = self.trial.with_row(place, **changes)
        self._ground.save(self.trial)

    def _add(self, row: Row) -> None:
        self._set(rows=[*self.trial.rows, row])

    def _problem(self, problem: str) -> None:
        self.trial = self.trial.with_problem(problem)
        self._ground.save(self.trial)

    def _set(self, **changes: Any) -> None:
        self.trial = self.trial.model_copy(update=changes)
        self._ground.save(self.trial)
