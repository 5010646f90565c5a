"""Rehearsals of the app: one at a time, only where the responder keeps its hands off what is broken on purpose."""

from __future__ import annotations

import asyncio
from traceback import format_exc
from typing import Annotated

import structlog
from pydantic import Field

from domain.errors import ConflictError
from domain.injection import FaultInjector
from domain.value import Value, new_id
from graph.skills.runner import SkillRunner
from graph.tasks import end_tasks
from skills.arguments import arguments
from skills.check import Scalar
from skills.rehearsal import Rehearsal
from skills.rehearse import rehearse, stage_for
from skills.report import Engine, ModelName, Order, Report
from skills.trust import after_rehearsal

log = structlog.get_logger(__name__)


class Wish(Value):
    """On what it is rehearsed, a skill's own defaults where nothing is said; and who looks at the criteria beside the rules."""

    target: Annotated[str, Field(max_length=63)] = ""
    parameters: dict[str, Scalar] = {}
    verifier: Engine = "rules"
    verifier_model: ModelName = ""


AS_IT_IS = Wish()


class Rehearsals:
    """Starts rehearsals and remembers them. `hands_off`: the responder only watches incidents in this home."""

    def __init__(self, runner: SkillRunner, injector: FaultInjector | None, *, hands_off: bool) -> None:
        self._runner = runner
        self._injector = injector
        self._hands_off = hands_off
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def close(self) -> None:
        """What is broken is restored by the chaos service's reaper."""
        await end_tasks(self._tasks)

    async def start(self, name: str, wish: Wish = AS_IT_IS) -> Rehearsal:
        """Raises ConflictError where it cannot be done, NotFoundError, SkillError."""
        ending = {task for key, task in self._tasks.items() if self.get(key).ended_at is not None}
        if ending:
            await asyncio.wait(ending)
        injector, bench = self._allowed(), self._runner.bench
        package, skill = bench.shelf.procedure(name)
        given = arguments(skill, bench.inventory, wish.target, wish.parameters)
        rehearsal = Rehearsal(
            id=new_id("reh"), skill=name, version=skill.version, digest=package.digest, started_at=bench.clock.now()
        )
        bench.store.save_rehearsal(rehearsal)
        stage = stage_for(skill, given, bench, injector, lambda order: self._run(order, rehearsal.id, wish))

        async def play() -> None:
            try:
                ended = await rehearse(rehearsal, stage, bench.store.save_rehearsal)
            except Exception as error:
                log.error("rehearsal.failed", rehearsal=rehearsal.id, trace=format_exc(limit=-3))
                ended = self._broken_off(rehearsal.id, f"it broke off: {type(error).__name__}")
            standing = after_rehearsal(ended, bench.store, bench.clock.now())
            if standing is not None:
                bench.store.stand(standing)
            await bench.note("observation", ended.id, {"event": "skill.rehearsed", **ended.model_dump(mode="json")})

        task = asyncio.create_task(play(), name=f"rehearsal {rehearsal.id}")
        self._tasks[rehearsal.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(rehearsal.id, None))
        return rehearsal

    def get(self, rehearsal_id: str) -> Rehearsal:
        """One that an earlier process did not bring to its end is over: nobody goes on with it. Raises NotFoundError."""
        found = self._runner.bench.store.rehearsal(rehearsal_id)
        if found.ended_at is None and rehearsal_id not in self._tasks:
            return self._broken_off(rehearsal_id, "the app ended in the middle of it")
        return found

    def _broken_off(self, rehearsal_id: str, why: str) -> Rehearsal:
        """Written down as not passed, so that whoever waits hears of it; the reaper restores what is broken."""
        bench = self._runner.bench
        last = bench.store.rehearsal(rehearsal_id)
        ended = last.model_copy(update={"problems": [*last.problems, why], "ended_at": bench.clock.now()})
        bench.store.save_rehearsal(ended)
        return ended

    async def ended(self, rehearsal_id: str) -> None:
        """Once a rehearsal of this process is through."""
        task = self._tasks.get(rehearsal_id)
        if task is not None:
            await asyncio.wait({task})

    def _allowed(self) -> FaultInjector:
        if self._injector is None:
            raise ConflictError(
                "nothing can be broken here", expected="a stack that may be broken", hint="firebreak up"
            )
        if not self._hands_off:
            raise ConflictError(
                "the responder would mend it before the skill does",
                expected="a home whose responder only watches",
                found="one that acts",
                hint="firebreak skill rehearse without a running home starts one of its own; else FIREBREAK_AUTONOMY=observe",
            )
        if self._tasks:
            raise ConflictError("a rehearsal is under way", expected="one at a time", found=", ".join(self._tasks))
        return self._injector

    async def _run(self, order: Order, rehearsal: str, wish: Wish) -> Report:
        order = order.model_copy(update={"verifier": wish.verifier, "verifier_model": wish.verifier_model})
        begun = await self._runner.submit(order, rehearsal=rehearsal)
        return await self._runner.ended(begun.id)
