"""Rehearsals of ways back in this app: one at a time, proof on the table when they pass, taken back after a crash."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from traceback import format_exc
from typing import Protocol

import structlog

from contracts.moves import Move
from contracts.negotiation import Negotiation, Proof
from contracts.rehearsal.files import TrialFiles
from contracts.rehearsal.ground import Ground
from contracts.rehearsal.opening import opened, stage_of
from contracts.rehearsal.rehearser import Rehearser
from contracts.rehearsal.trial import Trial, TrialStatus, Wish
from domain.alert import Alert
from domain.contract import ValidatorKind
from domain.errors import ConflictError, FirebreakError, StorageError
from graph.tasks import end_tasks

log = structlog.get_logger(__name__)

AS_IT_IS = Wish()
AGAIN_S = 2.0
"""After so long a record that could not be written is tried again."""
Free = Callable[[str], Awaitable[str]]
"""Service → the version that serves now. Raises ConflictError while it is being released."""


class Table(Protocol):
    """Where contracts are kept."""

    def get(self, contract_id: str) -> Negotiation:
        """Raises NotFoundError."""
        ...

    async def move(self, contract_id: str, move: Move, *, person: str, token: str) -> Negotiation:
        """One move."""
        ...


class Trials:
    """`start` takes back whatever was left half-way; `close` leaves it to whoever starts next."""

    def __init__(
        self, ground: Callable[[Callable[[Trial], None]], Ground], files: TrialFiles, table: Table, serving: Free
    ) -> None:
        self._ground = ground(self._keep)
        self._files = files
        self._unwritten: dict[str, Trial] = {}
        """What the files do not hold because they cannot be written now."""
        self._table = table
        self._serving = serving
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._beginning = asyncio.Lock()

    async def start(self) -> None:
        """Everything that a process before this one left behind is taken back."""
        for trial in self.all():
            if not trial.status.ended:
                self._drive(trial.id, Rehearser(trial, self._ground).take_up)

    async def close(self) -> None:
        """What is under way stops where it is; the next start takes it back."""
        await end_tasks(self._tasks)

    async def submit(self, contract_id: str, wish: Wish, person: str) -> Trial:
        """Begin one. Raises NotFoundError, ConfigError, ConflictError: nothing was changed then."""
        async with self._beginning:
            contract = self._table.get(contract_id).contract
            self.refuse()
            service = stage_of(contract, wish, self._ground.yard.inventory)
            trial = await opened(contract, wish, self._ground, person, await self._serving(service.name))
            self._files.save(trial)
            await self._note(trial, "begun")
            self._drive(trial.id, Rehearser(trial, self._ground).run)
            return trial

    def refuse(self) -> None:
        """Raises ConflictError while one is under way: two changes at once would spoil each other."""
        busy = next((trial for trial in self.all() if not trial.status.ended), None)
        if busy is not None:
            raise ConflictError(
                f"a rehearsal is under way on {busy.service}",
                expected="one at a time",
                found=busy.id,
                code="contract.busy",
            )

    def all(self) -> list[Trial]:
        """Newest first."""
        return [self._unwritten.get(trial.id, trial) for trial in self._files.all()]

    def get(self, trial_id: str) -> Trial:
        """Raises NotFoundError."""
        return self._unwritten.get(trial_id) or self._files.get(trial_id)

    async def quiet(self, alert: Alert) -> str:
        """Why this alert is nobody's incident: it is what the rehearsal does to the service and to whoever needs it."""
        busy = next((trial for trial in self.all() if not trial.status.ended), None)
        if busy is None:
            return ""
        inventory = self._ground.yard.inventory
        touched = {busy.service, busy.flushes, *inventory.dependants(busy.service), *inventory.dependants(busy.flushes)}
        return f"rehearsal {busy.id} of contract {busy.contract} is under way" if alert.service in touched else ""

    def _drive(self, trial_id: str, play: Callable[[], Awaitable[Trial]]) -> None:
        task = asyncio.create_task(self._played(trial_id, play), name=f"rehearsal {trial_id}")
        self._tasks[trial_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(trial_id, None))

    async def _played(self, trial_id: str, play: Callable[[], Awaitable[Trial]]) -> None:
        """What breaks it is written down: nobody waits for a trial that cannot end, and what was changed is taken back."""
        try:
            trial = await play()
        except Exception as error:
            log.error("rehearsal.broke", rehearsal=trial_id, trace=format_exc(limit=-4))
            said = error.message if isinstance(error, FirebreakError) else type(error).__name__
            trial = await self._given_up(trial_id, f"it broke off: {said}")
        await self._written(trial.id)
        if trial.status is TrialStatus.PASSED:
            trial = await self._proven(trial)
        await self._note(trial, trial.status.value)

    def _keep(self, trial: Trial) -> None:
        """Written down, or held here while that cannot be: what is under way is taken back all the same."""
        try:
            self._files.save(trial)
        except StorageError as error:
            log.error("rehearsal.unwritten", rehearsal=trial.id, error=error.message)
            self._unwritten[trial.id] = trial
        else:
            self._unwritten.pop(trial.id, None)

    async def _written(self, trial_id: str) -> None:
        """It proves something once it is on record."""
        while (trial := self._unwritten.get(trial_id)) is not None:
            await self._ground.yard.clock.sleep(AGAIN_S)
            self._keep(trial)

    async def _given_up(self, trial_id: str, problem: str) -> Trial:
        rehearser = Rehearser(self.get(trial_id).with_problem(problem), self._ground)
        try:
            return await rehearser.take_up()
        except Exception as error:
            log.error("rehearsal.left", rehearsal=trial_id, trace=format_exc(limit=-4))
            left = rehearser.trial.with_problem(f"and could not be taken back ({type(error).__name__}): look at it")
            left = left.model_copy(update={"status": TrialStatus.FAILED, "ended_at": self._ground.yard.clock.now()})
            self._keep(left)
            return left

    async def _proven(self, trial: Trial) -> Trial:
        """On the table, if that still holds what was rehearsed."""
        found = self._table.get(trial.contract).contract
        proof = Proof(
            kind=ValidatorKind.ROLLBACK_REHEARSAL,
            text=f"rehearsed by Firebreak: {trial.id} on {trial.service}, back in {trial.seconds:.1f} s",
            rehearsal=trial.record(),
        )
        try:
            if found.context != trial.context:
                raise ConflictError("another commit came meanwhile", found=f"revision {found.revision}")
            await self._table.move(
                trial.contract, Move(kind="prove", proof=proof), person=f"firebreak for {trial.by}", token=""
            )
        except FirebreakError as error:
            trial = trial.with_problem(f"passed, and proves nothing on the table: {error.message}")
            self._keep(trial)
        return trial

    async def _note(self, trial: Trial, event: str) -> None:
        facts = {"problems": trial.problems, "differences": trial.differences, "seconds": trial.seconds}
        content = {
            "event": f"contract.rehearsal_{event}",
            "contract": trial.contract,
            "service": trial.service,
            **facts,
        }
        content |= {"version": trial.version, "revision": trial.revision, "by": trial.by}
        await self._ground.yard.note("observation", trial.id, content)
