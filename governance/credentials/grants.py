"""What was issued, as it is kept beside the ledger: scope, holder, end and a digest, never a token."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from domain.value import UtcTime, Value
from governance.credentials.port import CredentialError, Scope, UnwrapError
from governance.ledger.port import Draft, Ledger, Reader, Record, Transaction

KIND = "credential"


class Standing(StrEnum):
    """Whether a credential opens anything."""

    LIVE = "live"
    SPENT = "spent"
    """Its step has ended."""
    REVOKED = "revoked"


class Grant(Value):
    """One credential."""

    accessor: str
    holder: str
    change: str
    scope: Scope
    digest: str
    """Of the token. Knowing it opens nothing."""
    issued_at: UtcTime
    expires_at: UtcTime
    standing: Standing = Standing.LIVE
    why: str = ""


def save_grant(tx: Transaction, grant: Grant) -> None:
    """Create or replace a grant in this transaction."""
    tx.put(
        Record(
            kind=KIND,
            id=grant.accessor,
            change=grant.change,
            status=grant.standing.value,
            at=grant.issued_at,
            doc=grant.model_dump(mode="json"),
        )
    )


def load_grant(reader: Reader, accessor: str) -> Grant | None:
    """The grant behind an accessor, or None."""
    record = reader.get(KIND, accessor)
    return None if record is None else Grant.model_validate(record.doc)


def live_grants(reader: Reader, holder: str | None = None) -> list[Grant]:
    """Live ones, newest first; of one holder without what the compensation authority holds."""
    found = [Grant.model_validate(record.doc) for record in reader.find(KIND, status=Standing.LIVE.value)]
    return [g for g in found if holder is None or (g.holder == holder and not g.scope.compensation)]


def require_live(reader: Reader, accessor: str, scope: Scope) -> Grant:
    """The grant, when it is live and for exactly this scope. Raises CredentialError."""
    grant = load_grant(reader, accessor)
    if grant is None:
        raise CredentialError("there is no such credential", expected="one that was issued here", found="none")
    if grant.standing is not Standing.LIVE:
        found = f"{grant.standing.value}: {grant.why}"
        raise CredentialError("the credential has ended", expected="a live one", found=found, code="credential.ended")
    if reader.now >= grant.expires_at:
        found = f"expired at {grant.expires_at.isoformat(timespec='seconds')}"
        raise CredentialError("the credential has ended", expected="a live one", found=found, code="credential.expired")
    if grant.scope != scope:
        raise CredentialError(
            "the credential is for something else",
            expected=_words(scope),
            found=_words(grant.scope),
            code="credential.scope",
        )
    return grant


def end_grants(tx: Transaction, accessors: list[str], standing: Standing, *, by: str, why: str) -> list[str]:
    """End those that are live; returns which. Revocations are ledger entries; a spent one stands in its step's entries."""
    ended = [g for a in accessors if (g := load_grant(tx, a)) is not None and g.standing is Standing.LIVE]
    for grant in ended:
        save_grant(tx, grant.model_copy(update={"standing": standing, "why": f"{why} ({by})"}))
    names = [grant.accessor for grant in ended]
    if names and standing is Standing.REVOKED:
        tx.append(Draft(kind=KIND, actor=by, content={"event": "revoked", "accessors": names, "why": why}))
    return names


def alarm(ledger: Ledger, error: UnwrapError, facts: dict[str, Any], change: str = "") -> None:
    """Somebody else opened what was sealed for us: a CRITICAL signal, whoever it was."""
    content = {**facts, "event": "unwrap_failed", "severity": "CRITICAL", "why": "; ".join(error.lines())[:400]}
    with ledger.transaction() as tx:
        tx.append(Draft(kind=KIND, actor="guard", change=change, content=content))


def _words(scope: Scope) -> str:
    authority = " as compensation" if scope.compensation else ""
    return f"{scope.tier.value} × {scope.target} ({scope.environment.value}) × {scope.action}{authority}"
