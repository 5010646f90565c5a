"""Requests that nobody can read: refused by the server before any wrapper, and remembered all the same."""

from __future__ import annotations

from domain.errors import AuthError, LedgerError
from governance.guard.attempt import Parts
from governance.ledger.port import Draft


def bearer(authorization: str) -> str:
    """The token of an Authorization header, or empty."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def note_malformed(parts: Parts, token: str, where: str, why: str) -> None:
    """Write what a known holder sent into the ledger. A stranger gets a refusal and no row: nobody fills a disk unnamed."""
    try:
        identity = parts.identities.identify(token)
        with parts.ledger.transaction() as tx:
            content = {"request": where[:200], "why": why[:400]}
            tx.append(Draft(kind="refusal", actor=identity.name, content=content))
    except (AuthError, LedgerError):
        return
