"""Deployment contracts over HTTP: draft one, read it, make a move."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from contracts.moves import Move
from contracts.negotiation import Negotiation
from contracts.rehearsal.trial import Trial, Wish
from domain.errors import NotFoundError
from domain.value import Value
from graph.contracts.bargains import Bargains, Drafting
from graph.contracts.trials import Trials
from web.persons import Caller
from web.ports import Ports


class ContractRow(Value):
    """One contract as it is listed."""

    id: str
    revision: int
    status: str
    service: str
    version: str
    deployment: str = ""
    """As it was called when it was drafted, e.g. `acme/shop#12`."""
    level: str
    score: float
    created_at: str


class ContractList(Value):
    """Newest first."""

    schema_version: str = "1"
    contracts: list[ContractRow]


class TrialList(Value):
    """Newest first."""

    schema_version: str = "1"
    rehearsals: list[Trial]


def row_of(table: Negotiation) -> ContractRow:
    """How a contract is listed."""
    contract = table.contract
    return ContractRow(
        id=contract.id,
        revision=contract.revision,
        status=contract.status.value,
        service=contract.service,
        version=contract.version,
        deployment=contract.deployment,
        level=contract.risk.level.value,
        score=contract.risk.score,
        created_at=contract.created_at.isoformat(),
    )


def shown(table: Negotiation) -> dict[str, Any]:
    """The contract's document, and how the bargaining stands."""
    return {
        "schema_version": "1",
        **table.contract.document(),
        "drafted_by": table.drafted_by,
        "quorum": table.quorum,
        "missing": [kind.value for kind in table.missing],
        "rounds": [row.model_dump(mode="json") for row in table.rounds],
        "proofs": [row.model_dump(mode="json") for row in table.proofs],
        "signatures": [row.model_dump(mode="json") for row in table.signatures],
        "rejected_because": table.rejected_because,
    }


def bargains_of(ports: Ports) -> Bargains:
    """Raises NotFoundError where none are kept."""
    if ports.bargains is None:
        raise NotFoundError("No contracts are kept here.", hint="`firebreak up` starts an app that does.")
    return ports.bargains


def trials_of(ports: Ports) -> Trials:
    """Raises NotFoundError where nothing can be rehearsed."""
    if ports.trials is None:
        raise NotFoundError("No way back is rehearsed here.", hint="`firebreak up` starts an app that does.")
    return ports.trials


def build(ports: Ports) -> APIRouter:
    """The endpoints."""
    router = APIRouter(tags=["contracts"])

    @router.get("/api/contracts", summary="Contracts, newest first")
    async def listed() -> ContractList:
        return ContractList(contracts=[row_of(t) for t in bargains_of(ports).all()[:200]])

    @router.post("/api/contracts", status_code=201, summary="Put a contract on the table")
    async def draft(drafting: Drafting, caller: Caller) -> dict[str, Any]:
        """The same deployment again is the next revision: what was signed was for the former one."""
        return shown(await bargains_of(ports).draft(drafting, caller.name))

    @router.get("/api/contracts/{contract_id}", summary="One contract with its negotiation")
    async def one(contract_id: str) -> dict[str, Any]:
        return shown(bargains_of(ports).get(contract_id))

    @router.post("/api/contracts/{contract_id}/moves", summary="Offer, prove, sign or reject")
    async def move(contract_id: str, move: Move, caller: Caller) -> dict[str, Any]:
        """Signing takes the digest of the terms that were read, and an approver's own token."""
        return shown(await bargains_of(ports).move(contract_id, move, person=caller.name, token=caller.token))

    @router.post("/api/contracts/{contract_id}/rehearsals", status_code=202, summary="Rehearse the way back")
    async def rehearse(contract_id: str, wish: Wish, caller: Caller) -> Trial:
        """Release, take back, compare, in a sandbox or in staging; one that passes is proof on the table."""
        return await trials_of(ports).submit(contract_id, wish, caller.name)

    @router.get("/api/contract-rehearsals", summary="Rehearsals of ways back, newest first")
    async def rehearsals() -> TrialList:
        return TrialList(rehearsals=trials_of(ports).all()[:50])

    @router.get("/api/contract-rehearsals/{rehearsal_id}", summary="One rehearsal, as far as it went")
    async def rehearsal(rehearsal_id: str) -> Trial:
        return trials_of(ports).get(rehearsal_id)

    return router
