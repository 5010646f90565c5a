"""Bargaining over a contract: offers, proofs, signatures. Every step is a new value; nothing is decided by free text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from agents.negotiator import Explained
from contracts.context import DeploymentContext
from contracts.draft import draft_contract
from contracts.finding import Finding
from contracts.offers import AT_ONCE, as_if, bought, heard, tightened
from domain.contract import Contract, ContractStatus, OfferKind, SchemaCompatibility, ValidatorKind
from domain.errors import AuthError, ConflictError
from domain.risk import RiskLevel
from domain.value import UtcTime, Value

REHEARSAL_VALID = timedelta(days=30)
"""How long ago a way back may have been tried out."""


class Rehearsal(Value):
    """A way back that was carried out: what a signature above medium risk rests on."""

    executed: bool
    state_restored: bool
    seconds: Annotated[float, Field(ge=0, lt=1e6)]
    at: UtcTime
    where: Annotated[str, Field(max_length=200)] = ""
    compatibility: SchemaCompatibility | None = None
    """What was seen of both versions on each other's schema; None: the schema was not touched."""


class Proof(Value):
    """What somebody shows for a validator; it stands in that person's name."""

    kind: ValidatorKind
    text: Annotated[str, Field(min_length=3, max_length=500)]
    """A link or a sentence; for people, never parsed."""
    rehearsal: Rehearsal | None = None
    by: str = ""
    at: UtcTime | None = None


class Round(Value):
    """One offer, or words, and the answer."""

    at: UtcTime
    by: str
    offer: OfferKind | None = None
    text: str = ""
    answer: str
    buys: list[str] = []
    holds: bool = False
    """True: it is in the contract now. False: it counts when the change shows it."""
    explained_by: str = ""
    """Who explained free words: `rules`, or a model by its name; empty: nobody was asked."""
    fell_back: str = ""
    """Why rules stood in for a model."""


class Signature(Value):
    """One person's yes to exactly these terms."""

    by: str
    digest: str
    at: UtcTime


class Negotiation(Value):
    """A contract with everything that is needed to weigh the next offer."""

    contract: Contract
    context: DeploymentContext
    findings: list[Finding]
    doubts: list[tuple[str, float]] = []
    drafted_by: list[str]
    """Whoever drafted a revision; nobody signs their own contract."""
    rounds: list[Round] = []
    proofs: list[Proof] = []
    signatures: list[Signature] = []
    rejected_because: str = ""

    @property
    def quorum(self) -> int:
        """Distinct people who have to sign: two for critical risk or where it cannot be taken back."""
        grave = self.contract.risk.level is RiskLevel.CRITICAL or not self.contract.rollback.possible
        return 2 if grave else 1

    @property
    def missing(self) -> list[ValidatorKind]:
        """Required proofs that nobody has shown. The plan is in the contract, the canary is carried out later."""
        ready = {ValidatorKind.CANARY, ValidatorKind.ROLLBACK_PLAN, ValidatorKind.MANUAL_APPROVAL} | {
            p.kind for p in self.proofs
        }
        return [v.kind for v in self.contract.validators if v.required and v.kind not in ready]

    @property
    def signable(self) -> bool:
        """Nothing but signatures is missing."""
        return self.contract.status in (ContractStatus.DRAFT, ContractStatus.NEGOTIATING) and not self.missing


def opened(
    context: DeploymentContext,
    findings: Sequence[Finding],
    doubts: Sequence[tuple[str, float]],
    contract: Contract,
    by: Sequence[str],
) -> Negotiation:
    """A draft on the table; `by`: everybody who had a hand in it."""
    authors = list(dict.fromkeys(by))
    return Negotiation(
        contract=contract, context=context, findings=list(findings), doubts=list(doubts), drafted_by=authors
    )


def offered(table: Negotiation, kind: OfferKind, text: str, *, by: str, at: datetime) -> Negotiation:
    """With the offer weighed. One that holds at once takes signatures away: they were for other terms."""
    _open_for(table, at, ContractStatus.DRAFT, ContractStatus.NEGOTIATING, ContractStatus.APPROVED)
    before = table.contract
    if kind in AT_ONCE:
        after = tightened(before, kind)
        answer = (
            "it stands in the contract"
            if after != before
            else "there is no room for it: the stages are as small as they can see"
        )
        row = Round(
            at=at, by=by, offer=kind, text=text, answer=answer, buys=bought(before, after), holds=after != before
        )
        return _moved(table, after if after != before else before, row)
    gains = bought(_drafted(table, table.findings, at), _drafted(table, as_if(table.findings, kind), at))
    answer = "it counts when the change shows it: push it and draft again" if gains else "it would buy nothing here"
    return _moved(table, before, Round(at=at, by=by, offer=kind, text=text, answer=answer, buys=gains))


def said(table: Negotiation, text: str, *, by: str, at: datetime, explained: Explained | None = None) -> Negotiation:
    """Free words: what the terms say to them, and which offers they may mean. Nothing else comes of them.

    `explained`: by whom a mind was asked; without it rules hear the words.
    """
    found = explained or Explained(heard=heard(text))
    row = Round(
        at=at,
        by=by,
        text=text[:2000],
        answer=" ".join(_told(found)),
        explained_by=found.by,
        fell_back=found.fell_back,
    )
    return table.model_copy(update={"rounds": [*table.rounds, row]})


def _told(found: Explained) -> Iterator[str]:
    yield from (f"{s.text.rstrip('.')} [{', '.join(s.evidence)}]." for s in found.sentences)
    means = ", ".join(f"{h.offer.value} (“{h.quote[:80]}”)" for h in found.heard)
    yield f"may mean: {means}" if means else "names no offer"


def proven(table: Negotiation, proof: Proof, *, by: str, at: datetime) -> Negotiation:
    """With a proof on the table. A rehearsal needs its record, and a recent one that restored everything."""
    _open_for(table, at, ContractStatus.DRAFT, ContractStatus.NEGOTIATING)
    record = proof.rehearsal
    if proof.kind is ValidatorKind.ROLLBACK_REHEARSAL:
        good = (
            record is not None
            and record.executed
            and record.state_restored
            and timedelta() <= at - record.at <= REHEARSAL_VALID
        )
        if not good:
            raise ConflictError(
                "this rehearsal proves nothing",
                expected=f"executed, state restored, within {REHEARSAL_VALID.days} days",
                found="no record" if record is None else record.model_dump_json(),
                code="contract.rehearsal",
            )
    rest = [p for p in table.proofs if p.kind is not proof.kind]
    found = table.model_copy(update={"proofs": [*rest, proof.model_copy(update={"by": by, "at": at})]})
    if record is None or proof.kind is not ValidatorKind.ROLLBACK_REHEARSAL:
        return found
    rollback = table.contract.rollback.model_copy(
        update={
            "rehearsed_at": record.at,
            "recovery_s": record.seconds,
            "schema_compatibility": seen_beside(table.contract.rollback.schema_compatibility, record.compatibility),
        }
    )
    contract = table.contract.model_copy(update={"rollback": rollback})
    return found.model_copy(update={"contract": contract, "signatures": []})


def seen_beside(said: SchemaCompatibility | None, seen: SchemaCompatibility | None) -> SchemaCompatibility | None:
    """What a rehearsal saw fills what could not be told, and worsens what was; it never makes it better."""
    if said is None or seen is None:
        return said or seen
    return SchemaCompatibility(
        old_code_new_schema=_worse(said.old_code_new_schema, seen.old_code_new_schema),
        new_code_old_schema=_worse(said.new_code_old_schema, seen.new_code_old_schema),
        reasons=[*said.reasons, *seen.reasons],
    )


def _worse(said: bool | None, seen: bool | None) -> bool | None:
    known = [value for value in (said, seen) if value is not None]
    return all(known) if known else None


def signed(table: Negotiation, digest: str, *, by: str, at: datetime) -> Negotiation:
    """With one more signature; approved when the quorum is reached. Raises ConflictError, AuthError."""
    _open_for(table, at, ContractStatus.DRAFT, ContractStatus.NEGOTIATING)
    if digest != table.contract.terms_digest():
        raise ConflictError(
            "these are not the terms on the table",
            expected=table.contract.terms_digest()[:16],
            found=digest[:16] or "none",
            hint="read the contract again; a commit or an offer has changed it",
            code="contract.stale",
        )
    if by in table.drafted_by:
        raise AuthError("nobody signs their own contract", expected="another person", found=by, code="contract.own")
    if by in {s.by for s in table.signatures}:
        raise ConflictError(f"{by} has signed already", expected=f"{table.quorum} distinct people", found=by)
    if table.missing:
        raise ConflictError(
            "proofs are missing",
            expected=", ".join(kind.value for kind in table.missing),
            found="none of them",
            hint="firebreak contract negotiate ID --prove tests='link to the run'",
            code="contract.unproven",
        )
    signatures = [*table.signatures, Signature(by=by, digest=digest, at=at)]
    status = ContractStatus.APPROVED if len(signatures) >= table.quorum else ContractStatus.NEGOTIATING
    return _with_status(table, status).model_copy(update={"signatures": signatures})


def rejected(table: Negotiation, reason: str, *, by: str, at: datetime) -> Negotiation:
    """Over, with the reason."""
    _open_for(table, at, ContractStatus.DRAFT, ContractStatus.NEGOTIATING)
    return _with_status(table, ContractStatus.REJECTED).model_copy(update={"rejected_because": f"{by}: {reason}"})


def withdrawn(table: Negotiation, reason: str, *, by: str, at: datetime) -> Negotiation:
    """Over because the change is: there is nothing left to promise anything about."""
    _open_for(table, at, ContractStatus.DRAFT, ContractStatus.NEGOTIATING, ContractStatus.APPROVED)
    row = Round(at=at, by=by, answer=reason)
    return _with_status(table, ContractStatus.EXPIRED).model_copy(update={"rounds": [*table.rounds, row]})


def redrafted(table: Negotiation, fresh: Negotiation, *, at: datetime) -> Negotiation:
    """Another state of the change: the next revision. What was signed or proven was for the former one;
    what only tightened the rollout stays."""
    _open_for(table, at, ContractStatus.DRAFT, ContractStatus.NEGOTIATING, ContractStatus.APPROVED)
    if fresh.contract.context == table.contract.context:
        return table
    status = ContractStatus.DRAFT if table.contract.status is ContractStatus.DRAFT else ContractStatus.NEGOTIATING
    authors = list(dict.fromkeys((*table.drafted_by, *fresh.drafted_by)))
    facts = {"id": table.contract.id, "revision": table.contract.revision + 1, "status": status}
    contract = fresh.contract.model_copy(update=facts)
    for row in table.rounds:
        if row.holds and row.offer is not None and row.offer in AT_ONCE:
            contract = tightened(contract, row.offer)
    row = Round(
        at=at,
        by=fresh.drafted_by[0],
        answer=f"revision {contract.revision}",
        buys=bought(table.contract, contract),
        holds=True,
    )
    return fresh.model_copy(update={"contract": contract, "drafted_by": authors, "rounds": [*table.rounds, row]})


def aged(table: Negotiation, now: datetime) -> Negotiation:
    """Expired once its time is over and nobody has rolled it out."""
    waiting = ContractStatus.EXPIRED in table.contract.status.next
    return _with_status(table, ContractStatus.EXPIRED) if waiting and now >= table.contract.expires_at else table


def concluded(table: Negotiation, status: ContractStatus) -> Negotiation:
    """What its rollout makes of it: deployed, then fulfilled, violated or rolled back. Raises ConflictError."""
    if status not in table.contract.status.next:
        raise ConflictError(
            f"contract {table.contract.id} is {table.contract.status.value} and does not become {status.value}",
            expected=" or ".join(sorted(s.value for s in table.contract.status.next)) or "nothing any more",
            found=status.value,
            code="contract.closed",
        )
    return _with_status(table, status)


def _drafted(table: Negotiation, findings: Sequence[Finding], at: datetime) -> Contract:
    return draft_contract(table.context, id=table.contract.id, at=at, findings=findings, doubts=table.doubts)


def _open_for(table: Negotiation, at: datetime, *statuses: ContractStatus) -> None:
    status = aged(table, at).contract.status
    if status not in statuses:
        raise ConflictError(
            f"contract {table.contract.id} is {status.value}",
            expected=" or ".join(s.value for s in statuses),
            found=status.value,
            hint="draft a new one",
            code="contract.closed",
        )


def _moved(table: Negotiation, contract: Contract, row: Round) -> Negotiation:
    """After an offer: a draft is being negotiated now; other terms take the signatures away."""
    same = contract == table.contract
    status = table.contract.status
    if status is ContractStatus.DRAFT or (not same and status is ContractStatus.APPROVED):
        status = ContractStatus.NEGOTIATING
    facts = {
        "contract": contract.model_copy(update={"status": status}),
        "rounds": [*table.rounds, row],
        "signatures": table.signatures if same else [],
    }
    return table.model_copy(update=facts)


def _with_status(table: Negotiation, status: ContractStatus) -> Negotiation:
    return table.model_copy(update={"contract": table.contract.model_copy(update={"status": status})})
