"""The chaos server from afar: implements the Drills and FaultInjector ports for the app and the command line."""

from __future__ import annotations

from typing import Any

from chaos.catalogue import FaultSummary
from chaos.http import Http
from domain.drills import DrillRun
from domain.injection import FaultRow

INJECT_S = 120.0
"""Until a fault is proven to be there, or the patient well again."""


class HttpDrills:
    """Talks to one chaos server. The Http client belongs to the caller."""

    def __init__(self, http: Http, url: str, token: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._token = token

    async def start(self, fault: str | None = None, *, seed: int | None = None, **more: Any) -> str:
        """Begin one drill; `more` are further fields of the request (approve, blind, finish_s …)."""
        body = {"fault": fault, "seed": seed, **more}
        return str((await self._ask("POST", "/drills", body))["id"])

    async def get(self, drill_id: str) -> DrillRun:
        return DrillRun.model_validate(await self._ask("GET", f"/drills/{drill_id}"))

    async def runs(self) -> list[DrillRun]:
        body = await self._ask("GET", "/drills")
        return [DrillRun.model_validate(row) for row in body["drills"]]

    async def faults(self) -> list[FaultSummary]:
        """The catalogue."""
        body = await self._ask("GET", "/faults")
        return [FaultSummary.model_validate(row) for row in body["faults"]]

    async def injectable(self) -> list[FaultRow]:
        """See FaultInjector."""
        return [FaultRow(name=f.name, service=f.service, abstain=f.abstain) for f in await self.faults()]

    async def inject(self, fault: str, *, lease_s: float) -> str:
        """See FaultInjector. The label is open: who rehearses knows what is broken."""
        body = {"duration_s": lease_s, "blind": False}
        return str((await self._ask("POST", f"/break/{fault}", body, timeout_s=INJECT_S))["id"])

    async def lift(self, lease: str) -> None:
        """See FaultInjector."""
        await self._ask("POST", f"/break/{lease}/stop", timeout_s=INJECT_S)

    async def status(self) -> dict[str, Any]:
        """What stands and whether the kill switch is thrown."""
        found: dict[str, Any] = await self._ask("GET", "/status")
        return found

    async def kill(self, reason: str) -> dict[str, Any]:
        """Stop everything and take everything back."""
        found: dict[str, Any] = await self._ask("POST", "/kill", {"reason": reason}, timeout_s=90.0)
        return found

    async def resume(self) -> None:
        """Put the kill switch back."""
        await self._ask("POST", "/resume")

    async def _ask(self, method: str, path: str, body: Any = None, *, timeout_s: float = 10.0) -> Any:
        url = f"{self._url}{path}"
        return await self._http.json(method, url, token=self._token, json=body, timeout_s=timeout_s)
