"""The running drill room: which drills there are, how far they are, and what may be shown of them while blind."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from chaos.drill import Drill, new_drill_id
from chaos.errors import InjectionRefusedError
from chaos.experiment import Experiments, Request
from chaos.gate import Gate
from chaos.lease import Lease
from chaos.model import Fault, Magnitude
from chaos.oracle import Judging
from chaos.order import DrillOrder
from chaos.responder import Door, Responder
from chaos.site import Site
from chaos.sqlite import ChaosDatabase
from domain.drills import DrillPhase, DrillProgress, DrillRun, DrillState
from domain.errors import ConflictError, FirebreakError

_log = structlog.get_logger("chaos.server")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomRules:
    """What holds for every drill of this server."""

    judging: Judging = field(default_factory=Judging)
    detect_s: float = 45.0
    finish_s: float = 150.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants to see drilled."""

    fault: str | None = None
    seed: int | None = None
    magnitude: Magnitude = Magnitude.MEDIUM
    parameters: Mapping[str, Any] = field(default_factory=dict)
    blind: bool = True
    approve: bool = False
    finish_s: float | None = None


class DrillRoom:
    """Starts drills as tasks and keeps their records in the database. One drill at a time."""

    def __init__(
        self,
        *,
        site: Site,
        database: ChaosDatabase,
        faults: Mapping[str, Fault],
        experiments: Experiments,
        responder: Responder,
        door: Door,
        rules: RoomRules,
    ) -> None:
        self._site = site
        self._database = database
        self._faults = faults
        self._experiments = experiments
        self._responder = responder
        self._door = door
        self.gate = Gate(experiments, database, door)
        self._rules = rules
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def recover(self) -> None:
        """After a crash of ours: drills that ran are interrupted, and what they broke is taken back."""
        for run in self._database.drills():
            if not run.state.terminal:
                self._end(run.id, DrillState.INTERRUPTED, error="the chaos server stopped while this drill ran")
        for lease in self._database.leases(unfinished=True):
            if lease.drill is not None:
                await self._experiments.restore(lease.id, by="interrupt")

    async def start(self, wish: Wish) -> str:
        """Begin; the drill's id. Raises ConflictError while another one runs, InjectionRefusedError for an unknown fault."""
        if self._site.config is not None:
            raise InjectionRefusedError(
                "there are no drills in a cluster",
                expected="the local stack, whose customer the judge of a drill is",
                found=str(self._site.config),
                hint="rehearse a skill: firebreak skill rehearse NAME --target SERVICE",
            )
        if any(not task.done() for task in self._tasks.values()):
            raise ConflictError(
                "a drill is running", expected="one drill at a time", hint="GET /drills shows it; wait or POST /kill"
            )
        if (reason := self._database.halted()) is not None:
            raise InjectionRefusedError("the kill switch is thrown", found=reason, hint="POST /resume puts it back")
        if await self._door.frozen():
            raise InjectionRefusedError("the governed door is frozen", hint="`firebreak resume` opens it")
        fault = self._choose(wish)
        order = DrillOrder(
            fault=fault,
            drill=new_drill_id(),
            magnitude=wish.magnitude,
            parameters=wish.parameters,
            blind=wish.blind,
            approve=wish.approve,
            detect_s=self._rules.detect_s,
            finish_s=wish.finish_s or self._rules.finish_s,
            judging=self._rules.judging,
        )
        shown = None if order.blind else fault.spec.name
        self._database.put_drill(
            DrillRun(
                id=order.drill,
                state=DrillState.RUNNING,
                blind=order.blind,
                fault=shown,
                started_at=self._site.clock.now(),
            )
        )
        self._tasks[order.drill] = asyncio.create_task(self._run(order), name=order.drill)
        return order.drill

    def runs(self) -> list[DrillRun]:
        """Newest first."""
        return self._database.drills()

    def get(self, drill_id: str) -> DrillRun:
        """Raises NotFoundError."""
        return self._database.drill(drill_id)

    async def inject(self, request: Request) -> Lease:
        """Break something outside a drill. Raises InjectionRefusedError, ChaosError."""
        lease = await self.gate.inject(request)
        await self._record("injection", lease)
        return lease

    async def stop(self, lease_id: str, *, by: str = "server") -> Lease:
        """Take one fault back now. Raises NotFoundError."""
        lease = await self._experiments.restore(lease_id, by=by)
        await self._record("restoration", lease)
        return lease

    async def halt(self, reason: str) -> list[Lease]:
        """The kill switch: end drills, take everything back, refuse new ones until `resume`."""
        self._database.halt(reason, self._site.clock.now())
        await self.close()
        return await self._experiments.restore_all(by="kill")

    def resume(self) -> None:
        """Put the kill switch back."""
        self._database.resume()

    async def close(self) -> None:
        """Interrupt what runs; each drill takes back its own fault."""
        running = [task for task in self._tasks.values() if not task.done()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _run(self, order: DrillOrder) -> None:
        async def tell(phase: DrillPhase, text: str, incident: str | None) -> None:
            self._tell(order.drill, phase, text, incident)

        drill = Drill(
            order,
            site=self._site,
            gate=self.gate,
            store=self._database,
            responder=self._responder,
            door=self._door,
            tell=tell,
        )
        try:
            result = await drill.run()
        except asyncio.CancelledError:
            self._end(order.drill, DrillState.INTERRUPTED, error="the drill was stopped")
            raise
        except FirebreakError as error:
            _log.warning("drill.failed", drill=order.drill, code=error.code)
            self._end(order.drill, DrillState.FAILED, error="; ".join(error.lines()))
        except Exception as error:
            # A drill is a background task: whatever ends it must be seen where people look for it.
            _log.exception("drill.failed", drill=order.drill)
            self._end(order.drill, DrillState.FAILED, error=f"{type(error).__name__}: {error}")
        else:
            run = self._database.drill(order.drill)
            done = {
                "state": DrillState.FINISHED,
                "fault": result.fault,
                "result": result,
                "ended_at": self._site.clock.now(),
            }
            self._database.put_drill(run.model_copy(update=done))

    def _tell(self, drill: str, phase: DrillPhase, text: str, incident: str | None) -> None:
        run = self._database.drill(drill)
        line = DrillProgress(at=self._site.clock.now(), phase=phase, text=text, incident=incident)
        update = {"progress": [*run.progress, line], "incident": incident or run.incident}
        self._database.put_drill(run.model_copy(update=update))
        _log.info("drill.progressed", drill=drill, phase=phase.value, incident=incident)

    def _end(self, drill: str, state: DrillState, *, error: str) -> None:
        run = self._database.drill(drill)
        update = {"state": state, "error": error, "ended_at": self._site.clock.now()}
        self._database.put_drill(run.model_copy(update=update))

    def _choose(self, wish: Wish) -> Fault:
        """The named fault, or one that really breaks something by the seed, else by true chance."""
        if wish.fault is not None:
            fault = self._faults.get(wish.fault)
            if fault is None:
                raise InjectionRefusedError(
                    "no such fault",
                    expected=", ".join(sorted(self._faults)),
                    found=wish.fault,
                    code="chaos.unknown_fault",
                )
            return fault
        names = sorted(name for name, fault in self._faults.items() if not fault.spec.abstain)
        if not names:
            raise InjectionRefusedError("there is nothing to break", expected="at least one fault", found="none")
        return self._faults[random.Random(wish.seed).choice(names) if wish.seed is not None else secrets.choice(names)]

    async def _record(self, kind: str, lease: Lease) -> None:
        content: dict[str, Any] = {"lease": lease.id, "deadline": lease.deadline.isoformat(), "blind": lease.blind}
        if not lease.blind:
            content["fault"] = lease.fault
        if kind == "restoration":
            content |= {"by": lease.restored_by, "verified": lease.verified}
        await self._door.record(kind, lease.drill or f"chaos-{lease.commitment[:12]}", content)


def faster(rules: RoomRules, *, durable_s: float, settle_s: float) -> RoomRules:
    """The same rules with a less patient oracle, for examinations of the drills themselves."""
    return replace(rules, judging=replace(rules.judging, durable_s=durable_s, settle_s=settle_s))
