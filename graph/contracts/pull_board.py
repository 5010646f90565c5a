"""What GitHub is told of contracts: one comment and one status each, sent again only when they say something new."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from contracts.comment import comment_of, marker_of, state_of, summary_of, talk_of
from contracts.negotiation import Negotiation
from domain.value import digest
from graph.contracts.bargains import Bargains
from graph.contracts.pull_records import PullRecord, PullRecords, Stand
from tools.github import Repository

CONTEXT = "firebreak/contract"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """How GitHub is reached, and who we are there."""

    repository: Callable[[str], Repository]
    """owner/name → that repository with our token."""
    page: str = ""
    """Address of our own pages; empty: nobody else can open them."""


@dataclass(frozen=True, slots=True)
class PullBoard:
    """Keeps comments and statuses as the contracts are."""

    hub: Hub
    bargains: Bargains
    records: PullRecords

    async def publish(self, record: PullRecord, *, several: bool) -> None:
        """`several`: the repository has more than one service, so each has a status of its own. Raises ToolError, AuthError."""
        ended = record.closed
        for stand in record.stands:
            table = self.bargains.get(stand.contract)
            ended &= table.contract.status.terminal
            body = comment_of(table.contract, _talk(record, stand, table))
            told = digest({"body": body, "head": table.contract.head, "state": state_of(table.contract)})
            if told != stand.published:
                context = f"{CONTEXT}/{stand.service}" if several else CONTEXT
                await asyncio.to_thread(self._tell, record, stand, table, body, context)
                record = self.records.save(record.with_stand(stand.model_copy(update={"published": told})))
        if ended and not record.settled:
            self.records.save(record.model_copy(update={"settled": True}))

    def _tell(self, record: PullRecord, stand: Stand, table: Negotiation, body: str, context: str) -> None:
        repository, contract = self.hub.repository(record.repository), table.contract
        link = f"{self.hub.page}/contracts/{contract.id}" if self.hub.page else ""
        repository.keep_comment(record.number, marker_of(stand.service), body)
        repository.set_status(contract.head, state_of(contract), summary_of(contract), context, link)


def _talk(record: PullRecord, stand: Stand, table: Negotiation) -> list[str]:
    answers = [(f"@{a.login}", a.text) for a in record.answers if a.service == stand.service]
    return talk_of(table, answers, record.notes)
