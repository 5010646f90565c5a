"""A running responder over the little world, as the faces see it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from agents.chat import Chat
from agents.reasoners.rules import RulesReasoner
from domain.alert import Alert, Change
from domain.errors import IntakeError
from domain.guard import Approval, ApprovalAnswer, ApprovalStatus, Decision
from domain.incident import Incident
from graph.checkpoint.lease import Leases, ProcessLeases
from graph.heart import Heart
from graph.quiet import Quiet, never_quiet
from graph.records.opening import open_records
from graph.runner import IncidentRunner, Outside
from graph.state import Knobs
from graph.threads import Threads
from tests.fakes.house import House
from tests.fakes.world import alert


@dataclass(frozen=True)
class Found:
    """What a delivery held."""

    alerts: list[Alert] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)


def plain_normalise(
    source: str, headers: Mapping[str, str], body: bytes, received_at: datetime, delivery_id: str
) -> Found:
    """Bodies are lists of changes to the standard alert."""
    try:
        rows = json.loads(body)
    except ValueError as error:
        raise IntakeError("not JSON", expected="a list") from error
    return Found(alerts=[alert(**{**row, "delivery_id": delivery_id}) for row in rows])


_STATUS = {Decision.APPROVE: ApprovalStatus.APPROVED, Decision.REJECT: ApprovalStatus.REJECTED}


@asynccontextmanager
async def responder(
    house: House,
    home: Path,
    leases: Leases | None = None,
    knobs: Knobs | None = None,
    holder: str = "app",
    quiet: Quiet = never_quiet,
) -> AsyncIterator[IncidentRunner]:
    """A started runner; closed afterwards like a process that ends."""

    async def pass_answer(token: str, approval_id: str, answer: ApprovalAnswer) -> Approval:
        house.guard.answer(approval_id, _STATUS[answer.decision])
        return house.guard.open[approval_id]

    async def pass_taking(token: str, change: str, reason: str, taken: bool) -> None:
        house.notes.append(("taken" if taken else "given_back", change, {"reason": reason, "token": token}))

    async def health() -> dict[str, Any]:
        return {"store": {"ok": True, "detail": "fine"}}

    async def threads(save: Any) -> Threads:
        given = knobs or Knobs(verify_s=0.2, patience_s=0.2)
        heart = Heart(house.services.crew, house.services.agent)
        return Threads(house.graph(), leases or ProcessLeases(), save, given, holder, heart)

    runner = IncidentRunner(
        services=house.services,
        records=open_records(home / "incidents.db"),
        threads=threads,
        outside=Outside(
            normalise=plain_normalise,
            pass_answer=pass_answer,
            pass_taking=pass_taking,
            chat=Chat(RulesReasoner()),
            health=health,
            quiet=quiet,
        ),
    )
    await runner.start()
    try:
        yield runner
    finally:
        await runner.close()


async def until(
    runner: IncidentRunner, wanted: Callable[[list[Incident]], bool], seconds: float = 20.0
) -> list[Incident]:
    """All incidents once they are as wanted."""
    async with asyncio.timeout(seconds):
        while True:
            page = await runner.incidents()
            found = [await runner.incident(row.id) for row in page.incidents]
            if wanted(found):
                return found
            await asyncio.sleep(0.01)


def all_closed(found: list[Incident]) -> bool:
    """There is one, and every run has ended."""
    return bool(found) and all(i.status.terminal and i.phase == "EXIT" for i in found)
