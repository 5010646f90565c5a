"""The action server behind the `Door` port. Reads with the app's token; what a person asks goes with the person's own."""

from __future__ import annotations

from typing import Any

from domain.guard import GuardStatus, LedgerVerification
from web.http import JsonClient
from web.ports import LedgerPage


class RemoteDoor:
    """`Door` over the action server's API."""

    def __init__(self, client: JsonClient) -> None:
        self._client = client

    async def status(self) -> GuardStatus:
        return GuardStatus.model_validate(await self._client.get("/v1/status"))

    async def ledger(self, *, after: int = 0, limit: int = 50, change: str | None = None) -> LedgerPage:
        query = {"after": after, "limit": limit, "change": change or None}
        body = await self._client.get("/v1/ledger", query)
        return LedgerPage(entries=body["entries"], next=body.get("next"))

    async def verify(self) -> LedgerVerification:
        return LedgerVerification.model_validate(await self._client.get("/v1/ledger/verify"))

    async def freeze(self, person_token: str, reason: str) -> GuardStatus:
        await self._client.post("/v1/freeze", {"reason": reason}, token=person_token)
        return await self.status()

    async def resume(self, person_token: str, reason: str) -> GuardStatus:
        await self._client.post("/v1/resume", {"reason": reason}, token=person_token)
        return await self.status()

    async def unwind_plan(self, person_token: str) -> dict[str, Any]:
        body = await self._client.get("/v1/unwind", token=person_token)
        return body if isinstance(body, dict) else {"compensations": body}
