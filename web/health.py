"""`/healthz`: open to everyone, names the failing dependency, gives nothing else away."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from domain.errors import FirebreakError
from domain.value import Value
from web.ports import Ports

_PATIENCE_S = 2.0
_VITAL = frozenset({"store", "checkpoints", "action_server"})
"""Without these no incident can be handled; the others only narrow what can be seen or said."""


class Health(Value):
    """State of the app. `failing` names what does not work, worst first."""

    schema_version: str = "1"
    status: Literal["ok", "degraded", "down"]
    failing: list[str] = []
    dependencies: dict[str, bool | None] = {}
    """Name → healthy; None: not used here."""
    circuits: dict[str, str] = {}
    """Name → closed, open or half_open: the circuit breaker around it, where it has one."""


def judge(health: Mapping[str, Mapping[str, Any]]) -> Health:
    """`down` when a vital dependency fails, `degraded` when another one does."""
    states = {name: state.get("ok") for name, state in health.items()}
    failing = sorted((n for n, ok in states.items() if ok is False), key=lambda n: (n not in _VITAL, n))
    status: Literal["ok", "degraded", "down"] = "ok" if not failing else "down" if failing[0] in _VITAL else "degraded"
    circuits = {name: str(state["circuit"]) for name, state in health.items() if state.get("circuit")}
    open_now = any(circuit != "closed" for circuit in circuits.values())
    if status == "ok" and open_now:
        status = "degraded"
    return Health(status=status, failing=failing, dependencies=states, circuits=circuits)


async def look(ports: Ports) -> dict[str, Any]:
    """What every dependency says; one that does not even answer fails as `app`."""
    try:
        return await asyncio.wait_for(ports.responder.health(), _PATIENCE_S)
    except (FirebreakError, TimeoutError) as error:
        return {"store": {"ok": False, "detail": str(error) or "no answer in time"}}


def build(ports: Ports) -> APIRouter:
    """The route."""
    router = APIRouter(tags=["machines"])

    @router.get("/healthz", summary="Whether it works, and what does not", response_model=Health)
    async def healthz() -> JSONResponse:
        health = judge(await look(ports))
        return JSONResponse(health.model_dump(mode="json"), 503 if health.status == "down" else 200)

    return router
