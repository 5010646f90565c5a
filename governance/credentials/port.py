"""The credential port: one short-lived credential for exactly one tier × target × action."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from domain.action import Effect, Tier
from domain.errors import GovernanceError, Transient
from domain.inventory import Environment, Mode
from domain.secret import Opened
from domain.value import Value


class CredentialError(GovernanceError):
    """No credential, or not one for this: nothing is carried out."""

    code = "credential.refused"


class UnwrapError(CredentialError):
    """A wrapped secret id was opened by somebody else, or never ours: a CRITICAL signal."""

    code = "credential.unwrap_failed"


class CredentialsUnavailableError(Transient, CredentialError):
    """The issuer does not answer, or is sealed."""

    code = "credential.unavailable"


class Scope(Value):
    """What a credential is good for; any other call is refused."""

    tier: Tier
    target: str
    action: str
    environment: Environment
    effect: Effect
    mode: Mode
    """Mode of the target when it was asked for."""
    compensation: bool = False
    """True: minted under the compensation authority, for the recorded undo of a confirmed claim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What the guard holds while one step is carried out. It never leaves the action server."""

    accessor: str
    """Names it in the ledger and to whoever revokes it; opens nothing."""
    token: str = field(repr=False)
    scope: Scope
    expires_at: datetime


class Credentials(Protocol):
    """Issues, checks and ends credentials. One conformance suite covers every implementation."""

    async def issue(self, scope: Scope, *, holder: str, change: str, deadline: datetime | None) -> Credential:
        """A fresh credential for `holder` that ends at the deadline at the latest.

        Raises CredentialError when the tier table or the target's mode forbids it or the deadline has passed,
        CredentialsUnavailableError, UnwrapError.
        """
        ...

    async def check(self, credential: Credential, scope: Scope) -> None:
        """Raises CredentialError unless it is live and issued for exactly this scope."""
        ...

    async def open(self, credential: Credential, place: str) -> Opened:
        """What it opens at its target, `<environment>/<target>`; nothing where the issuer or the tier sees no secrets.

        Raises CredentialError.
        """
        ...

    async def revoke(self, accessor: str, *, by: str, why: str) -> bool:
        """End one. False when it had ended before or was never issued here."""
        ...

    async def spend(self, accessor: str) -> None:
        """End one whose step has ended; asking again is no error."""
        ...

    async def revoke_all(self, *, by: str, why: str, holder: str | None = None) -> list[str]:
        """End all live ones, or those of one holder; returns their accessors. Those under the compensation authority
        survive the revocation of a holder."""
        ...

    async def rotate(self, *, by: str) -> None:
        """Make the issuer's own secret new. What was issued before it ends."""
        ...
