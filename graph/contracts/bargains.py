"""Contracts on the table: drafted, bargained over, signed in people's own names. One thread and one JSON file each."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.types import Command
from pydantic import Field

from agents.negotiator import Negotiator
from contracts.chance import Curve, Ended, learned
from contracts.context import DeploymentContext
from contracts.draft import draft_contract
from contracts.finding import Finding
from contracts.keeping import keep
from contracts.moves import Move
from contracts.negotiation import Negotiation, aged, opened
from contracts.why import asked
from domain.clock import Clock
from domain.contract import Contract, ContractStatus
from domain.errors import ConflictError, NotFoundError
from domain.guard import LedgerEntry
from domain.value import Value, new_id
from graph.contracts.bargain import BargainGraph, after, build_bargain

Note = Callable[[str, dict[str, Any]], Awaitable[LedgerEntry]]
"""(contract, content) → an entry of the app's own."""
Say = Callable[[str, str, dict[str, Any]], Awaitable[LedgerEntry]]
"""(person's token, contract, content) → the entry in that person's name. Raises AuthError when the person may not."""
Place = Callable[[DeploymentContext], Awaitable[DeploymentContext]]
"""Fills a context with what is known here: neighbours, objectives, how the service does today."""
_FAILED = frozenset({ContractStatus.VIOLATED, ContractStatus.ROLLED_BACK})
_ENDED = _FAILED | {ContractStatus.FULFILLED}


class Drafting(Value):
    """What a contract is drafted from: read by whoever has the repository."""

    context: DeploymentContext
    findings: list[Finding] = Field(default=[], max_length=20_000)
    doubts: list[tuple[Annotated[str, Field(max_length=1000)], Annotated[float, Field(ge=0, le=1)]]] = Field(
        default=[], max_length=200
    )
    """What is not known, and what that costs of the confidence: a doubt never adds to it."""


class Bargains:
    """`start` once the checkpointer is open. Without a negotiator free words are heard by rules."""

    def __init__(
        self,
        folder: Path,
        *,
        note: Note,
        say: Say,
        place: Place,
        clock: Clock,
        negotiator: Negotiator | None = None,
    ) -> None:
        self._folder = folder
        self._note = note
        self._say = say
        self._place = place
        self._clock = clock
        self._negotiator = negotiator
        self._graph: BargainGraph | None = None
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def start(self, saver: BaseCheckpointSaver[Any]) -> None:
        """From here on moves are taken."""
        self._graph = build_bargain(self._save, saver)

    async def draft(self, drafting: Drafting, *people: str) -> Negotiation:
        """A new contract, or the next revision of the one that is on the table for this deployment.

        `people` had a hand in the change, whoever drafts it first: none of them signs it.
        """
        placed = drafting.model_copy(update={"context": await self._place(drafting.context)})
        # Nothing is awaited from here until it is saved: of two drafts at once the second finds the first.
        fresh = self._fresh(placed, people)
        known = next((t for t in self.all() if self._same(t, fresh)), None)
        if known is None:
            self._save(fresh)
            table = fresh
        else:
            table = await self._answer(known.contract.id, {"fresh": fresh.model_dump(mode="json")})
        if known is None or table.contract.revision != known.contract.revision:
            await self._note(table.contract.id, _facts(table))
        return table

    async def move(self, contract_id: str, move: Move, *, person: str, token: str) -> Negotiation:
        """One move. Signing and rejecting stand in the ledger first, in that person's name; it says whether they may."""
        heard = await self._heard(contract_id, move)
        async with self._locks[contract_id]:
            answer = {"move": move.model_dump(mode="json"), "by": person, "at": self._clock.now().isoformat(), **heard}
            would = after(self.get(contract_id), answer)
            if move.binds:
                event = (
                    would.contract.status.value if would.contract.status is not ContractStatus.NEGOTIATING else "signed"
                )
                entry = await self._say(token, contract_id, {"event": event, "reason": move.text, **_facts(would)})
                answer["by"] = entry.actor
                after(self.get(contract_id), answer)
            return await self._resume(contract_id, answer)

    async def withdraw(self, contract_id: str, person: str, reason: str) -> Negotiation:
        """The change was given up. One that is not waiting any more is left as it is."""
        if ContractStatus.EXPIRED not in (table := self.get(contract_id)).contract.status.next:
            return table
        await self._note(contract_id, {"event": "withdrawn", "by": person, "reason": reason, **_facts(table)})
        return await self._answer(contract_id, {"withdrawn": reason, "by": person})

    def all(self) -> list[Negotiation]:
        """Newest first."""
        found = [Negotiation.model_validate_json(f.read_text()) for f in self._folder.glob("con-*.json")]
        return sorted((aged(t, self._clock.now()) for t in found), key=lambda t: t.contract.created_at, reverse=True)

    def get(self, contract_id: str) -> Negotiation:
        """Raises NotFoundError."""
        file = self._file(contract_id)
        if not file.is_file():
            raise NotFoundError(f"there is no contract {contract_id[:60]!r}", hint="firebreak contract show")
        return aged(Negotiation.model_validate_json(file.read_text()), self._clock.now())

    def based_on(self, contract_id: str) -> str:
        """The commit that its change starts from; empty when it was only described, or is not kept."""
        return self.get(contract_id).context.base if self._file(contract_id).is_file() else ""

    def binding(self, contract: Contract) -> Contract:
        """The contract as it is kept here: its status is what people signed, not what a file says of itself.

        One that is not kept is a draft. Raises ConflictError when the terms are not those on the table.
        """
        if not self._file(contract.id).is_file():
            return contract.model_copy(update={"status": ContractStatus.DRAFT})
        kept = self.get(contract.id).contract
        if kept.terms_digest() != contract.terms_digest():
            raise ConflictError(
                f"the terms of {contract.id} are not those on the table",
                expected=f"terms with digest {kept.terms_digest()[:12]}…",
                found=f"{contract.terms_digest()[:12]}…",
                hint=f"firebreak contract enforce {contract.id}",
                code="contract.stale",
            )
        return kept

    async def carried(self, contract_id: str, status: ContractStatus) -> None:
        """How its rollout stands. A contract that is not kept, or was told so before, is left as it is."""
        if self._file(contract_id).is_file() and status in self.get(contract_id).contract.status.next:
            await self._answer(contract_id, {"outcome": status.value})

    async def told(self, contract_id: str, status: ContractStatus, by: str) -> None:
        """How a rollout stands that somebody else carries out; on record first."""
        if status in (table := self.get(contract_id)).contract.status.next:
            await self._note(contract_id, {"event": status.value, "by": by, **_facts(table)})
            await self.carried(contract_id, status)

    def curve(self) -> Curve:
        """What the contracts that ended teach about scores."""
        ended = [t.contract for t in self.all() if t.contract.status in _ENDED]
        return learned([Ended(score=c.risk.score, failed=c.status in _FAILED) for c in ended])

    async def _heard(self, contract_id: str, move: Move) -> dict[str, Any]:
        """What free words mean, asked before anybody waits at the table; nothing for other moves."""
        if move.kind != "say" or self._negotiator is None:
            return {}
        found = await self._negotiator.explain(asked(self.get(contract_id).contract, move.text))
        return {"explained": found.model_dump(mode="json")}

    def _fresh(self, drafting: Drafting, people: Sequence[str]) -> Negotiation:
        contract = draft_contract(
            drafting.context,
            id=new_id("con"),
            at=self._clock.now(),
            findings=drafting.findings,
            doubts=drafting.doubts,
            curve=self.curve(),
        )
        return opened(drafting.context, drafting.findings, drafting.doubts, contract, people)

    def _same(self, known: Negotiation, fresh: Negotiation) -> bool:
        live = (
            ContractStatus.NEGOTIATING in known.contract.status.next
            or known.contract.status is ContractStatus.NEGOTIATING
        )
        same = (known.contract.deployment, known.contract.service) == (
            fresh.contract.deployment,
            fresh.contract.service,
        )
        return live and same

    async def _answer(self, contract_id: str, answer: dict[str, Any]) -> Negotiation:
        async with self._locks[contract_id]:
            return await self._resume(contract_id, {**answer, "at": self._clock.now().isoformat()})

    async def _resume(self, contract_id: str, answer: dict[str, Any]) -> Negotiation:
        """A thread that was never begun (or was forgotten) begins with the file."""
        if self._graph is None:
            raise NotFoundError("No contracts are kept here.", hint="`firebreak up` starts an app that does.")
        config: Any = {"configurable": {"thread_id": f"contract-{contract_id}"}}
        if not (await self._graph.aget_state(config)).next:
            await self._graph.ainvoke({"table": self.get(contract_id).model_dump(mode="json")}, config)
        await self._graph.ainvoke(Command(resume=answer), config)
        return self.get(contract_id)

    def _save(self, table: Negotiation) -> None:
        keep(self._file(table.contract.id), table.model_dump_json().encode(), f"contract {table.contract.id}")

    def _file(self, contract_id: str) -> Path:
        return self._folder / f"{''.join(c for c in contract_id if c.isalnum() or c == '-')}.json"


def _facts(table: Negotiation) -> dict[str, Any]:
    contract = table.contract
    return {
        "contract": contract.id,
        "revision": contract.revision,
        "service": contract.service,
        "head": contract.head,
        "digest": contract.terms_digest(),
        "level": contract.risk.level.value,
        "score": contract.risk.score,
        "signatures": [s.by for s in table.signatures],
    }
