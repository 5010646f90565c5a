"""The responder as an outsider sees it: a public API, a pager's intake, and a ledger door. Nothing of its inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from chaos.http import Http
from domain.action import Effect, Outcome, Verdict
from domain.clock import Clock, SystemClock
from domain.drills import DrillLedger
from domain.errors import FirebreakError
from domain.guard import Actor, Decision, Receipt
from domain.incident import Incident, IncidentRow
from domain.plan import Plan, Step
from domain.zone import inject_call, restore_call

AGENT = "chaos"
"""The agent for whom the guard keeps a seat."""

ASK_S = 300.0
"""How long a person's answer to an injection is waited for."""


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

    async def inject(self, change: str, commitment: str, lease_s: float) -> Said:
        """Ask the guard for one sealed injection; it redeems the seal at the chaos server. Raises UpstreamError, AuthError."""
        ...

    async def declare(self, condition: str, agent: str, seconds: float) -> str:
        """Put trouble of the agent plane on record, under seal; its id. Raises UpstreamError, AuthError."""
        ...

    async def lift(self, condition_id: str) -> None:
        """End it and open the seal. Raises NotFoundError, UpstreamError."""
        ...

    async def record(self, kind: str, change: str, content: Mapping[str, Any]) -> None:
        """Write a commitment, opening, injection or restoration. Raises UpstreamError, AuthError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The guard's word on one injection."""

    done: bool
    text: str


class HttpDoor:
    """Implements Door over the action server's API. Where a person must be asked, the answer is waited for."""

    def __init__(self, http: Http, url: str, token: str, clock: Clock | None = None) -> None:
        self._http = http
        self._clock = clock or SystemClock()
        self._url = url.rstrip("/")
        self._token = token

    async def frozen(self) -> bool:
        status = await self._http.json("GET", f"{self._url}/v1/status", token=self._token)
        return bool(status.get("frozen"))

    async def inject(self, change: str, commitment: str, lease_s: float) -> Said:
        plan = injection_plan(change, commitment, lease_s, self._clock)
        actor = Actor(agent=AGENT, change=change).model_dump(mode="json")
        await self._post("/v1/judge", {"plan": plan.model_dump(mode="json"), "actor": actor})
        end = self._clock.monotonic() + ASK_S
        while True:
            step = {"plan_id": plan.id, "step_id": plan.steps[0].id, "actor": actor}
            receipt = Receipt.model_validate(await self._post("/v1/apply", step))
            if receipt.verdict is not Verdict.ASK or self._clock.monotonic() >= end:
                return Said(done=receipt.outcome is Outcome.SUCCEEDED, text=receipt.summary)
            await self._clock.sleep(1.0)

    async def declare(self, condition: str, agent: str, seconds: float) -> str:
        body = {"condition": condition, "agent": agent, "seconds": seconds}
        return str((await self._post("/v1/conditions", body))["id"])

    async def lift(self, condition_id: str) -> None:
        await self._post(f"/v1/conditions/{condition_id}/lift", {})

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        return await self._http.json("POST", f"{self._url}{path}", token=self._token, json=body, timeout_s=120.0)

    async def record(self, kind: str, change: str, content: Mapping[str, Any]) -> None:
        body = {"kind": kind, "change": change, "content": dict(content)}
        await self._http.json("POST", f"{self._url}/v1/ledger", token=self._token, json=body)


def injection_plan(change: str, commitment: str, lease_s: float, clock: Clock) -> Plan:
    """The one step that the guard judges; what is broken stays under the seal."""
    step = Step(
        id="break",
        call=inject_call(commitment, lease_s),
        effect=Effect.REVERSIBLE,
        rationale="an experiment on the steady state, under a lease",
        undo=restore_call(commitment, lease_s),
    )
    return Plan(
        id=f"plan-{commitment[:24]}",
        incident=change,
        hypothesis="the steady state survives a sealed fault",
        source="drill",
        steps=[step],
        created_at=clock.now(),
    )


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
