"""The responder as an outsider sees it: a public API, a pager's intake, and a ledger door. Nothing of its inside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from chaos.http import Http
from domain.drills import DrillLedger
from domain.errors import FirebreakError
from domain.guard import Decision
from domain.incident import Incident, IncidentRow


class Responder(Protocol):
    """The black box under examination."""

    async def incidents(self) -> list[IncidentRow]:
        """Newest first. Raises UpstreamError."""
        ...

    async def incident(self, incident_id: str) -> Incident:
        """The whole record. Raises NotFoundError, UpstreamError."""
        ...

    async def page(self, alert: Mapping[str, Any]) -> None:
        """What a customer's pager would post to the intake. Raises UpstreamError, AuthError."""
        ...

    async def open_approvals(self, incident_id: str) -> list[str]:
        """Ids of the questions that wait for a person."""
        ...

    async def approve(self, approval_id: str, reason: str) -> None:
        """Answer as the person whose token was given. Raises AuthError without one."""
        ...

    async def ledger(self) -> DrillLedger:
        """Size and soundness of the ledger. Raises UpstreamError."""
        ...

    async def deeds(self, incident_id: str) -> int | None:
        """Effects the ledger knows for this incident, or None when it cannot be read."""
        ...


class Door(Protocol):
    """The action server, as far as chaos needs it."""

    async def frozen(self) -> bool:
        """Whether mutations are frozen. Raises UpstreamError."""
        ...

    async def record(self, kind: str, change: str, content: Mapping[str, Any]) -> None:
        """Write a commitment, opening, injection or restoration. Raises UpstreamError, AuthError."""
        ...


class HttpDoor:
    """Implements Door over the action server's API."""

    def __init__(self, http: Http, url: str, token: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._token = token

    async def frozen(self) -> bool:
        status = await self._http.json("GET", f"{self._url}/v1/status", token=self._token)
        return bool(status.get("frozen"))

    async def record(self, kind: str, change: str, content: Mapping[str, Any]) -> None:
        body = {"kind": kind, "change": change, "content": dict(content)}
        await self._http.json("POST", f"{self._url}/v1/ledger", token=self._token, json=body)


class HttpResponder:
    """Implements Responder over the app's public API."""

    def __init__(self, http: Http, url: str, token: str, *, intake_token: str = "", person_token: str = "") -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._token = token
        self._intake_token = intake_token
        self._person_token = person_token

    async def incidents(self) -> list[IncidentRow]:
        body = await self._get("/api/incidents", limit=50)
        return [IncidentRow.model_validate(row) for row in body["incidents"]]

    async def incident(self, incident_id: str) -> Incident:
        return Incident.model_validate(await self._get(f"/api/incidents/{incident_id}"))

    async def page(self, alert: Mapping[str, Any]) -> None:
        await self._http.json("POST", f"{self._url}/intake/generic", token=self._intake_token, json=dict(alert))

    async def open_approvals(self, incident_id: str) -> list[str]:
        body = await self._get("/api/approvals", open="true", change=incident_id)
        rows = body["approvals"] if isinstance(body, dict) else body
        return [str(row["id"]) for row in rows if row.get("status") == "open" and row.get("change") == incident_id]

    async def approve(self, approval_id: str, reason: str) -> None:
        answer = {"decision": Decision.APPROVE.value, "reason": reason}
        url = f"{self._url}/api/approvals/{approval_id}"
        await self._http.json("POST", url, token=self._person_token, json=answer)

    async def ledger(self) -> DrillLedger:
        body = await self._get("/api/ledger/verify")
        return DrillLedger(entries=int(body["entries"]), verified=bool(body["verified"]))

    async def deeds(self, incident_id: str) -> int | None:
        try:
            body = await self._get("/api/ledger", change=incident_id, limit=1000)
        except FirebreakError:
            return None
        return sum(1 for entry in body.get("entries", []) if entry.get("kind") == "effect")

    async def _get(self, path: str, **params: str | int) -> Any:
        return await self._http.json("GET", f"{self._url}{path}", token=self._token, params=params)
