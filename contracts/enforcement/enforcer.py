"""Carrying a rollout through its stages: give a share, watch, judge, go on or take it back. One tick after the other."""

from __future__ import annotations

from collections.abc import Callable

from contracts.enforcement.explaining import cost, cost_alone, explained
from contracts.enforcement.files import RolloutFiles
from contracts.enforcement.observing import MOST, memory_of, requests_of, traffic_of
from contracts.enforcement.opening import LAG_S, SPANS, dimensions_of, planned_for
from contracts.enforcement.pace import advanced
from contracts.enforcement.rollout import Rollout, RolloutStatus
from contracts.enforcement.steps import Answer, give_share, take_back
from contracts.enforcement.terms import aims_of
from contracts.enforcement.watching import everything, urgent
from contracts.enforcement.yard import Yard
from contracts.judge.judge import Moment, judge
from contracts.judge.judgement import Judgement, Result
from contracts.judge.traffic import Traffic
from domain.errors import StorageError

EXTENSION_S = 60.0
"""How long a stage that stayed inconclusive is watched before its next look."""
VERIFY_S = 12.0
"""How long is looked, after a release was taken back, whether a request still reaches it."""
SETTLED_S = 3.0
"""Requests that were under way while the traffic moved end within this."""
NAME = "seen"
TOLD = ("violated", "fulfilled")
"""What other systems are told as well, under the contract's own kinds of entries."""


class Enforcer:
    """One rollout under way. `tick` does what is due now; everything it knows is in the files afterwards."""

    def __init__(self, rollout: Rollout, yard: Yard, files: RolloutFiles) -> None:
        self.rollout = rollout
        self._yard = yard
        self._files = files
        service = yard.inventory.service(rollout.service)
        assert service is not None, "checked when the rollout was opened"
        self._service = service
        self._dimensions = dimensions_of(service)
        self._before, _, _ = files.kept(rollout.id, "before")
        self._plan = planned_for(rollout.contract, service, self._before, rollout.former, rollout.version)
        self._aims = aims_of(rollout.contract, service)
        self._requests, self._readings, read_to = files.kept(rollout.id, NAME)
        self.rollout = rollout.model_copy(update={"read_to": read_to})
        self.unsaved = ""
        """Why the files do not hold what `rollout` says; empty: they do."""

    async def tick(self) -> Rollout:
        """Do what is due, and remember it. What cannot be written down does not go on: it is taken back, and kept here."""
        self.unsaved = ""
        if not self.rollout.status.ended:
            await self._act()
        self._record(lambda: self._files.save(self.rollout))
        if self.unsaved and self.rollout.status in (RolloutStatus.RUNNING, RolloutStatus.WAITING):
            await self._leave([f"{self.unsaved}; what cannot be written down does not go on"])
        return self.rollout

    def _record(self, write: Callable[[], None]) -> None:
        try:
            write()
        except StorageError as error:
            self.unsaved = f"{error.message}: {error.found}"

    async def _act(self) -> None:
        clock = self._yard.clock
        self.rollout = advanced(self.rollout, clock.monotonic(), clock.now().timestamp(), self._yard.boot())
        await self._observe()
        if self.rollout.status is RolloutStatus.TAKING_BACK:
            await self._take_back()
        elif (broken := urgent(self.rollout, self._traffic(), self._aims)) is not None:
            await self._broken(broken)
        elif self.rollout.now.began_at is None:
            await self._give_share()
        else:
            await self._look()

    async def stop(self, why: str) -> Rollout:
        """It is taken back, whatever its judge says."""
        self.rollout = self.rollout.model_copy(update={"status": RolloutStatus.TAKING_BACK, "explanation": [why]})
        self._record(lambda: self._files.save(self.rollout))
        return self.rollout

    async def _observe(self) -> None:
        """Read what was not read yet. Always the last seconds by the present wall clock, whatever it was set to meanwhile."""
        rollout, upto = self.rollout, self.rollout.clock - LAG_S
        if upto <= rollout.read_to:
            return
        offset = rollout.wall - rollout.clock
        window = (rollout.read_to + offset, upto + offset)
        spans = await self._yard.telemetry.spans(window, services=[rollout.service], limit=SPANS)
        fresh = [r for r in requests_of(spans, self._dimensions, offset) if rollout.read_to <= r.at < upto]
        self._requests = [*self._requests, *fresh][-MOST:]
        reading = await self._yard.memories(self._service, rollout.former, rollout.version, rollout.clock)
        self._readings += [reading] if reading is not None else []
        self.rollout = rollout.model_copy(update={"read_to": upto})

    def _traffic(self) -> Traffic:
        rollout = self.rollout
        return traffic_of(self._requests, self._dimensions, rollout.former, rollout.version)

    async def _give_share(self) -> None:
        answer, row = await give_share(self.rollout, self._yard)
        self.rollout = self.rollout.with_stage(self.rollout.stage, **row)
        match answer:
            case Answer.DONE:
                self._passes()
                began = {"began_at": self.rollout.clock}
                self.rollout = self.rollout.with_stage(self.rollout.stage, **began)
                self.rollout = self.rollout.model_copy(update={"status": RolloutStatus.RUNNING})
            case Answer.ASKS:
                self.rollout = self.rollout.model_copy(update={"status": RolloutStatus.WAITING})
            case Answer.REFUSED:
                await self._leave([f"the guard refused {self.rollout.now.percent:g} %: {'; '.join(row['reasons'])}"])
            case Answer.UNKNOWN:
                pass

    def _passes(self) -> None:
        """Time went by while the share was given: a rollout's clock is read when it was done."""
        clock = self._yard.clock
        self.rollout = advanced(self.rollout, clock.monotonic(), clock.now().timestamp(), self._yard.boot())

    async def _look(self) -> None:
        """Every look that is due, one after the other: also those that fell due while nobody looked."""
        while self.rollout.status is RolloutStatus.RUNNING and self.rollout.now.began_at is not None:
            due, over = self._due()
            if self.rollout.read_to < due:
                return
            await self._judged(self._judgement(due, over), over)

    def _due(self) -> tuple[float, bool]:
        """(when the next look is due, whether the stage is over then)."""
        row = self.rollout.now
        assert row.began_at is not None
        looks = self._aims.looks
        planned = row.began_at + row.seconds * min(row.looks + 1, looks) / looks
        return planned + EXTENSION_S * max(0, row.looks + 1 - looks), row.looks + 1 >= looks

    def _judgement(self, due: float, over: bool) -> Judgement:
        rollout, row = self.rollout, self.rollout.now
        assert row.began_at is not None
        if rollout.last or self._plan is None:
            return everything(rollout, self._traffic(), self._aims, due, over, self._readings)
        looks = self._aims.looks
        extended = row.looks >= looks
        number = self._plan.reserve(rollout.reserves) if extended else self._plan.look(rollout.stage, row.looks)
        moment = Moment(stage=rollout.stage, look=number, began_at=row.began_at, now=due, over=over)
        self.rollout = rollout.model_copy(update={"reserves": rollout.reserves + extended})
        return judge(self._plan, self._traffic(), moment, memory_of(self._readings))

    async def _judged(self, found: Judgement, over: bool) -> None:
        """Write the look down, and draw the consequence."""
        rollout = self.rollout
        rows = [*rollout.judgements, {"at": rollout.read_to, **found.document()}]
        row = {"looks": rollout.now.looks + 1, "reasons": list(found.reasons)[:6]}
        row |= {"result": found.result.value} if over or found.result is Result.FAILED else {}
        self.rollout = rollout.model_copy(update={"judgements": rows}).with_stage(rollout.stage, **row)
        self._keep_seen()
        await self._note("judged", result=found.result.value, over=over, reasons=list(found.reasons)[:6])
        if found.result is Result.FAILED:
            await self._broken(found)
        elif self.unsaved:
            return
        elif found.result is Result.SUCCESSFUL:
            await self._onward()
        elif over and self.rollout.reserves >= self._aims.extensions:
            await self._broken(found)

    async def _onward(self) -> None:
        if not self.rollout.last:
            self.rollout = self.rollout.model_copy(update={"stage": self.rollout.stage + 1})
            await self._give_share()
            return
        self._count_cost()
        self.rollout = self.rollout.model_copy(
            update={"status": RolloutStatus.FULFILLED, "ended_at": self._yard.clock.now()}
        )
        await self._note("fulfilled", summary=f"{self.rollout.version} serves everybody; every term was kept")

    async def _broken(self, found: Judgement) -> None:
        """A term is broken, or nothing could be shown in the time given: at once back, whoever is asked meanwhile."""
        lines = explained(self.rollout, found, self._traffic())
        result = {"result": found.result.value, "reasons": list(found.reasons)[:6]}
        self.rollout = self.rollout.with_stage(self.rollout.stage, **result)
        self._keep_seen()
        await self._leave(lines)

    async def _leave(self, lines: list[str]) -> None:
        update = {"status": RolloutStatus.TAKING_BACK, "explanation": lines}
        self.rollout = self.rollout.model_copy(update=update)
        self._record(lambda: self._files.save(self.rollout))
        await self._note("violated", summary=lines[0], reasons=lines[1:])
        await self._take_back()

    async def _take_back(self) -> None:
        if self.rollout.back_at is None:
            problem = await take_back(self.rollout, self._yard)
            if problem:
                await self._end(RolloutStatus.VIOLATED, [*self.rollout.explanation, problem])
                return
            self._passes()
            self.rollout = self.rollout.model_copy(update={"back_at": self.rollout.clock})
            await self._note("taken_back", summary=f"{self.rollout.former} serves everybody again")
            return
        if self.rollout.read_to < self.rollout.back_at + VERIFY_S:
            return
        since = self.rollout.back_at + SETTLED_S
        late = sum(1 for r in self._requests if r.version == self.rollout.version and r.at > since)
        self.rollout = self.rollout.model_copy(update={"verified": late == 0})
        line = f"verified: no request reached {self.rollout.version} in {VERIFY_S:g} s after it was taken back"
        line = line if not late else f"{late} requests still reached {self.rollout.version} after it was taken back"
        await self._end(
            RolloutStatus.VIOLATED if late else RolloutStatus.ROLLED_BACK, [*self.rollout.explanation, line]
        )

    async def _end(self, status: RolloutStatus, lines: list[str]) -> None:
        self._count_cost()
        update = {"status": status, "explanation": lines, "ended_at": self._yard.clock.now()}
        self.rollout = self.rollout.model_copy(update=update)
        await self._note(status.value, summary=lines[0], reasons=lines[1:], verified=self.rollout.verified)

    def _keep_seen(self) -> None:
        rollout = self.rollout
        self._record(lambda: self._files.keep(rollout.id, NAME, self._requests, self._readings, rollout.read_to))

    def _count_cost(self) -> None:
        if self._plan is not None:
            exposed, lost = cost(self._traffic(), self._plan)
        else:
            exposed, lost = cost_alone(self._traffic(), self._aims.budget, self._before)
        self.rollout = self.rollout.model_copy(update={"exposed": exposed, "budget_lost": lost})

    async def _note(self, event: str, **content: object) -> None:
        rollout = self.rollout
        facts = {
            "event": event,
            "contract": rollout.contract.id,
            "version": rollout.version,
            "stage": rollout.stage + 1,
            "percent": rollout.now.percent,
        }
        kind = f"contract {event}" if event in TOLD else "rollout"
        await self._yard.note(kind, rollout.id, {**facts, **content})
