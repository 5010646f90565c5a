"""The issuer that is always there: tokens live in this process only, their keyed digests beside the ledger."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime

from domain.secret import Opened
from domain.value import new_id
from governance.credentials.grants import Grant, Standing, end_grants, live_grants, require_live, save_grant
from governance.credentials.port import Credential, CredentialError, Scope
from governance.credentials.terms import expiry, require_mintable
from governance.ledger.port import Draft, Ledger


class EmbeddedCredentials:
    """Implements Credentials. The key of the digests dies with the process, and with it all that was issued."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._key = secrets.token_bytes(32)

    async def issue(self, scope: Scope, *, holder: str, change: str, deadline: datetime | None) -> Credential:
        """See the port."""
        require_mintable(scope)
        token, accessor = secrets.token_urlsafe(32), new_id("crd")
        with self._ledger.transaction() as tx:
            grant = Grant(
                accessor=accessor,
                holder=holder,
                change=change,
                scope=scope,
                digest=self._digest(token),
                issued_at=tx.now,
                expires_at=expiry(scope.tier, tx.now, deadline),
            )
            save_grant(tx, grant)
        return Credential(accessor=accessor, token=token, scope=scope, expires_at=grant.expires_at)

    async def check(self, credential: Credential, scope: Scope) -> None:
        """See the port."""
        grant = require_live(self._ledger, credential.accessor, scope)
        if not hmac.compare_digest(grant.digest, self._digest(credential.token)):
            raise CredentialError(
                "the credential is not the one that was issued", found=f"another token for {grant.accessor}"
            )

    async def open(self, credential: Credential, place: str) -> Opened:
        """See the port: this issuer keeps no secrets, the process's own variables count."""
        return Opened()

    async def revoke(self, accessor: str, *, by: str, why: str) -> bool:
        """See the port."""
        with self._ledger.transaction() as tx:
            return bool(end_grants(tx, [accessor], Standing.REVOKED, by=by, why=why))

    async def spend(self, accessor: str) -> None:
        """See the port."""
        with self._ledger.transaction() as tx:
            end_grants(tx, [accessor], Standing.SPENT, by="guard", why="its step has ended")

    async def revoke_all(self, *, by: str, why: str, holder: str | None = None) -> list[str]:
        """See the port."""
        with self._ledger.transaction() as tx:
            accessors = [grant.accessor for grant in live_grants(tx, holder)]
            return end_grants(tx, accessors, Standing.REVOKED, by=by, why=why)

    async def rotate(self, *, by: str) -> None:
        """See the port."""
        await self.revoke_all(by=by, why="the issuer's key was made new")
        self._key = secrets.token_bytes(32)
        with self._ledger.transaction() as tx:
            tx.append(Draft(kind="credential", actor=by, content={"event": "rotated"}))

    def _digest(self, token: str) -> str:
        return hmac.new(self._key, token.encode(), hashlib.sha256).hexdigest()
