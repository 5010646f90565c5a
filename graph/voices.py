"""How the app speaks to the action server: in its own name, or passing a person's word on with the person's own token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from domain.errors import FirebreakError, Transient
from domain.guard import Approval, ApprovalAnswer, LedgerEntry
from governance.guard.client import HttpGuard
from governance.guard.trust import CLOSING
from governance.reporting import SUSPICION
from graph.services import Charge

log = structlog.get_logger(__name__)


def ledger_note(guard: HttpGuard) -> Callable[[str, str, dict[str, Any]], Awaitable[None]]:
    """Observations and decisions go to the ledger; a ledger that is away does not stop a run that only looks.

    A run's last word is said again until it is heard (raises Transient): its record and its approvals hang on it.
    """

    async def note(kind: str, change: str, content: dict[str, Any]) -> None:
        try:
            await guard.record(kind, change, content)
        except FirebreakError as error:
            if kind == CLOSING and isinstance(error, Transient):
                raise
            log.warning("note.not_recorded", kind=kind, change=change, error=error.message)

    return note


def pass_taking(guard: HttpGuard) -> Callable[[str, str, str, bool], Awaitable[None]]:
    """A person takes a change over or gives it back, with the person's own token."""

    async def passed(token: str, change: str, reason: str, taken: bool) -> None:
        async with guard.with_token(token) as person:
            await (person.take if taken else person.give_back)(change, reason)

    return passed


def ledger_charge(guard: HttpGuard) -> Charge:
    """What was seen goes to the ledger, and governance attributes and charges it there. An absent one is told nothing."""

    async def charge(violation: str, change: str, facts: dict[str, Any]) -> None:
        try:
            await guard.record(SUSPICION, change, {"violation": violation, **facts})
        except FirebreakError as error:
            log.warning("suspicion.not_recorded", violation=violation, change=change, error=error.message)

    return charge


def pass_answer(guard: HttpGuard) -> Callable[[str, str, ApprovalAnswer], Awaitable[Approval]]:
    """A person's answer goes to the action server with the person's own token."""

    async def answer(person_token: str, approval_id: str, given: ApprovalAnswer) -> Approval:
        async with guard.with_token(person_token) as person:
            return await person.answer(approval_id, given)

    return answer


def person_says(guard: HttpGuard, kind: str = "gate") -> Callable[[str, str, dict[str, Any]], Awaitable[LedgerEntry]]:
    """A person's word about a pipeline, a skill or a contract goes to the ledger with the person's own token."""

    async def say(person_token: str, run: str, content: dict[str, Any]) -> LedgerEntry:
        async with guard.with_token(person_token) as person:
            return await person.record(kind, run, content)

    return say


def drafted_note(guard: HttpGuard) -> Callable[[str, dict[str, Any]], Awaitable[LedgerEntry]]:
    """That a contract is on the table, as an entry of the app's own."""

    async def note(contract: str, content: dict[str, Any]) -> LedgerEntry:
        return await guard.record("contract drafted", contract, content)

    return note
