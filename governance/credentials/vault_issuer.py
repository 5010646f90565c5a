"""Credentials that Vault issues: its tokens, with scope and end kept beside the ledger as for any other issuer."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from contextlib import suppress
from datetime import datetime

from domain.secret import Opened
from domain.value import digest
from governance.credentials.grants import Grant, Standing, end_grants, live_grants, require_live, save_grant
from governance.credentials.port import Credential, CredentialError, Scope
from governance.credentials.terms import expiry, require_mintable, sees_secrets
from governance.credentials.vault import Vault
from governance.ledger.port import Draft, Ledger


class VaultCredentials:
    """Implements Credentials. What ends here ends at once; Vault is told, and its own end comes at the TTL at the latest."""

    def __init__(self, vault: Vault, ledger: Ledger) -> None:
        self._vault = vault
        self._ledger = ledger

    async def issue(self, scope: Scope, *, holder: str, change: str, deadline: datetime | None) -> Credential:
        """See the port."""
        require_mintable(scope)
        now = self._ledger.now
        expires = expiry(scope.tier, now, deadline)
        facts = {
            "scope": digest(scope),
            "action": scope.action,
            "target": scope.target,
            "holder": holder,
            "change": change,
        }
        seconds = max(1, int((expires - now).total_seconds()))
        minted = await asyncio.to_thread(self._vault.mint, scope.tier, seconds, facts)
        grant = Grant(
            accessor=minted.accessor,
            holder=holder,
            change=change,
            scope=scope,
            digest=_hashed(minted.token),
            issued_at=now,
            expires_at=expires,
        )
        with self._ledger.transaction() as tx:
            save_grant(tx, grant)
        return Credential(accessor=minted.accessor, token=minted.token, scope=scope, expires_at=expires)

    async def check(self, credential: Credential, scope: Scope) -> None:
        """See the port. What an operator revoked in Vault itself is refused too."""
        grant = require_live(self._ledger, credential.accessor, scope)
        if not hmac.compare_digest(grant.digest, _hashed(credential.token)):
            raise CredentialError(
                "the credential is not the one that was issued", found=f"another token for {grant.accessor}"
            )
        meta = await asyncio.to_thread(self._vault.meta, credential.accessor)
        if meta is None:
            raise CredentialError("the credential has ended", found="Vault does not know it", code="credential.ended")
        if meta.get("scope") != digest(scope):
            raise CredentialError(
                "the credential is for something else", found="Vault's own note", code="credential.scope"
            )

    async def open(self, credential: Credential, place: str) -> Opened:
        """See the port: read and written with the step's own token, so that Vault decides and its audit log names the step."""
        token, values = credential.token, dict[str, str]()
        if sees_secrets(credential.scope.tier):
            values = dict((await asyncio.to_thread(self._vault.newest, place, token)).values)
        return Opened(values=values, write=lambda at, fresh: self._vault.write(at, fresh, token))

    async def revoke(self, accessor: str, *, by: str, why: str) -> bool:
        """See the port."""
        return bool(await self._end([accessor], Standing.REVOKED, by, why))

    async def spend(self, accessor: str) -> None:
        """See the port."""
        await self._end([accessor], Standing.SPENT, "guard", "its step has ended")

    async def revoke_all(self, *, by: str, why: str, holder: str | None = None) -> list[str]:
        """See the port."""
        return await self._end([g.accessor for g in live_grants(self._ledger, holder)], Standing.REVOKED, by, why)

    async def rotate(self, *, by: str) -> None:
        """See the port: the action server signs in anew, its old token ends."""
        await self.revoke_all(by=by, why="the issuer's secret was made new")
        await asyncio.to_thread(self._vault.renew_entrance)
        with self._ledger.transaction() as tx:
            tx.append(Draft(kind="credential", actor=by, content={"event": "rotated"}))

    async def _end(self, accessors: list[str], standing: Standing, by: str, why: str) -> list[str]:
        with self._ledger.transaction() as tx:
            ended = end_grants(tx, accessors, standing, by=by, why=why)
        for accessor in ended:
            with suppress(CredentialError):
                await asyncio.to_thread(self._vault.end, accessor)
        return ended


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
