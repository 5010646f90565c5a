"""Contracts on pull requests: drafted when one opens, again when it changes, over when it closes; GitHub is told how they stand.

A webhook only says where to look. The change, its state and what was said are then read from GitHub over its API, so a forged,
repeated or late delivery changes nothing that is not so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from traceback import format_exc

import structlog

from contracts.commands import Command, Mistake, read_command
from contracts.enforcement.opening import Order
from contracts.enforcement.rollout import Rollout
from domain.clock import Clock, SystemClock
from domain.contract import ContractStatus
from domain.errors import AuthError, ConflictError, FirebreakError, Transient
from domain.inventory import Service
from graph.contracts.bargains import Bargains
from graph.contracts.pull_board import Hub, PullBoard
from graph.contracts.pull_drafts import PullDrafts
from graph.contracts.pull_records import PATIENCE, PullRecord, PullRecords, Stand
from graph.contracts.pull_talk import Talk
from graph.tasks import end_tasks
from tools.github import Repository
from tools.intake import fields
from tools.intake.github import Hint, read_hint
from tools.pulls import Pull, Remark, read_pull, read_remark

log = structlog.get_logger(__name__)

PERIOD_S = 5.0
"""How often GitHub is told what changed elsewhere."""
PAUSE_S = 30.0
"""After GitHub could not be asked."""
Begin = Callable[[Order, str], Awaitable[Rollout]]
"""(order, person) → the rollout that began. Raises FirebreakError."""


class Pulls:
    """`start` takes up whatever waits; `close` leaves it on disk."""

    def __init__(
        self, hub: Hub, *, talk: Talk, records: PullRecords, begin: Begin | None = None, clock: Clock | None = None
    ) -> None:
        self._hub = hub
        self._talk = talk
        self._bargains: Bargains = talk.bargains
        self._records = records
        self._board = PullBoard(hub, talk.bargains, records)
        self._drafts = PullDrafts(talk, records)
        self._begin = begin
        self._clock = clock or SystemClock()
        self._arrived = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.trouble = ""
        """Why GitHub cannot be asked or told right now, for people."""

    async def start(self) -> None:
        """Look at deliveries from here on."""
        task = asyncio.create_task(self._work(), name="pull requests")
        self._tasks["work"] = task
        task.add_done_callback(lambda _: self._tasks.pop("work", None))

    async def close(self) -> None:
        """What waits goes on at the next start."""
        await end_tasks(self._tasks)

    async def submit(self, body: bytes) -> str:
        """Keep a delivery whose proof held; its id, empty for what is about no pull request of ours. Raises IntakeError."""
        hint = read_hint(fields.parse(body))
        if hint is None or not self._services(hint.repository):
            return ""
        name = self._records.wait(hint, self._clock.now())
        self._arrived.set()
        return name

    async def turn(self) -> float:
        """Look at everything that waits, then tell GitHub what is new. Seconds until it is worth trying again."""
        pause, self.trouble = PERIOD_S, ""
        for waiting in self._records.waiting():
            try:
                await self._look(waiting.hint)
            except FirebreakError as error:
                pause = self._troubled(error, pause, hint=waiting.hint)
                if isinstance(error, Transient | AuthError) and self._clock.now() - waiting.received_at < PATIENCE:
                    continue
            self._records.done(waiting)
        for record in list(self._records.live().values()):
            try:
                await self._board.publish(record, several=len(self._services(record.repository)) > 1)
            except FirebreakError as error:
                pause = self._troubled(error, pause, pull=record.name)
        return pause

    async def _work(self) -> None:
        while True:
            pause = PAUSE_S
            try:
                pause = await self.turn()
            except Exception:
                log.error("pulls.broke", trace=format_exc(limit=-4))
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._arrived.wait()
            self._arrived.clear()

    def _troubled(self, error: FirebreakError, pause: float, **facts: object) -> float:
        self.trouble = "; ".join(error.lines())
        log.warning("pulls.delayed", error=error.message, found=error.found, **{k: str(v) for k, v in facts.items()})
        return max(pause, PAUSE_S, error.retry_after if isinstance(error, Transient) else 0.0)

    async def _look(self, hint: Hint) -> None:
        repository, record = self._hub.repository(hint.repository), self._records.get(hint.repository, hint.number)
        if hint.kind == "touched":
            fresh = [stand.model_copy(update={"published": ""}) for stand in record.stands]
            if fresh:
                self._records.save(record.model_copy(update={"stands": fresh}))
        elif hint.kind == "comment":
            await self._hear(repository, record, await read_remark(repository, hint.comment), hint.comment)
        else:
            await self._follow(repository, record, await read_pull(repository, hint.number), hint)

    async def _follow(self, repository: Repository, record: PullRecord, pull: Pull, hint: Hint) -> None:
        if pull.open:
            record = self._records.save(record.model_copy(update={"closed": False}))
            authors = [hint.sender, pull.author] if hint.pushed else [pull.author]
            for service in self._services(repository.name):
                record = await self._drafts.draft(repository, record, pull, service, authors)
        elif pull.merged:
            await self._merged(record, pull, hint.sender)
        else:
            for stand in record.stands:
                await self._bargains.withdraw(
                    stand.contract, self._talk.name(hint.sender), "the pull request was closed without being merged"
                )
            self._records.save(record.model_copy(update={"closed": True}))

    async def _merged(self, record: PullRecord, pull: Pull, sender: str) -> None:
        """The approved contract waits for its rollout, or begins it where the inventory says so. Once."""
        if record.merged:
            return
        record = self._records.save(record.model_copy(update={"merged": pull.merged, "closed": True}))
        for stand in record.stands:
            note = await self._after_merge(stand, pull, sender)
            record = self._records.save(
                record.model_copy(update={"notes": [*record.notes, f"{stand.service}: {note}"]})
            )

    async def _after_merge(self, stand: Stand, pull: Pull, sender: str) -> str:
        contract, merged = self._bargains.get(stand.contract).contract, pull.merged[:12]
        if contract.status is not ContractStatus.APPROVED or contract.head != pull.head:
            return f"merged as {merged} without an approved contract"
        service = self._talk.inventory.service(stand.service)
        if self._begin is None or service is None or service.rollout != "on_merge":
            return f"merged as {merged}; the contract waits for its rollout (firebreak contract enforce {contract.id})"
        try:
            rollout = await self._begin(Order(contract=contract, version=merged), self._talk.name(sender))
        except FirebreakError as error:
            return f"merged as {merged}; the rollout did not begin: {'; '.join(error.lines())[:500]}"
        return f"merged as {merged}; rollout {rollout.id} began"

    async def _hear(self, repository: Repository, record: PullRecord, remark: Remark, comment: int) -> None:
        command = read_command(remark.body)
        mine = comment in record.seen or remark.number != record.number or remark.edited or not remark.author
        if command is None or mine or not record.stands:
            return
        record = self._records.save(record.hearing(comment))
        service, answer = record.stands[0].service, ""
        try:
            stand = _stand(record, command)
            service, answer = stand.service, await self._answer(repository, stand, remark, command)
        except Transient:
            self._records.save(record.model_copy(update={"seen": [c for c in record.seen if c != comment]}))
            raise
        except FirebreakError as error:
            answer = "; ".join(error.lines())
        if answer:
            self._records.save(record.with_answer(service, remark.author, answer))

    async def _answer(self, repository: Repository, stand: Stand, remark: Remark, command: Command | Mistake) -> str:
        if isinstance(command, Mistake):
            return command.answer
        now = await read_pull(repository, remark.number)
        return await self._talk.hear(command, remark.author, stand.contract, now.head)

    def _services(self, repository: str) -> list[Service]:
        return [s for s in self._talk.inventory.services if s.github and s.github.lower() == repository.lower()]


def _stand(record: PullRecord, command: Command | Mistake) -> Stand:
    """Whose contract is spoken to. Raises ConflictError where that is not clear."""
    wanted = command.service if isinstance(command, Command) else record.stands[0].service
    found = [s for s in record.stands if not wanted or s.service == wanted]
    if len(found) != 1:
        raise ConflictError(
            "whose contract is not clear",
            expected=" or ".join(f"… for {s.service}" for s in record.stands),
            found=wanted or "no service",
        )
    return found[0]
