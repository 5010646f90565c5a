"""Rollouts of deployment contracts over HTTP: begin one, watch it, take it back."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from contracts.enforcement.opening import Order
from contracts.enforcement.rollout import Rollout
from domain.errors import NotFoundError
from domain.value import Value
from graph.contracts.rollouts import Rollouts
from web.persons import Caller
from web.ports import Ports


class RolloutList(Value):
    """Newest first."""

    schema_version: str = "1"
    rollouts: list[Rollout]


class Stop(Value):
    """Why a person takes a release back."""

    reason: Annotated[str, Field(min_length=3, max_length=500)]


def build(ports: Ports) -> APIRouter:
    """The endpoints."""
    router = APIRouter(tags=["contracts"])

    def rollouts() -> Rollouts:
        if ports.rollouts is None:
            raise NotFoundError("No rollouts can be watched here.", hint="`firebreak up` starts an app that can.")
        return ports.rollouts

    @router.get("/api/rollouts", summary="Rollouts, newest first")
    async def listed() -> RolloutList:
        return RolloutList(rollouts=rollouts().all()[:50])

    @router.post("/api/rollouts", status_code=202, summary="Roll a release out under its contract")
    async def begin(order: Order, caller: Caller) -> Rollout:
        """Stage by stage through the guard, judged in each, taken back by itself when a term is broken."""
        return await rollouts().submit(order, caller.name)

    @router.get("/api/rollouts/{rollout_id}", summary="One rollout, as far as it went")
    async def one(rollout_id: str) -> Rollout:
        return rollouts().get(rollout_id)

    @router.post("/api/rollouts/{rollout_id}/stop", summary="Take the release back now")
    async def stop(rollout_id: str, given: Stop, caller: Caller) -> dict[str, Any]:
        found = await rollouts().stop(rollout_id, caller.name, given.reason)
        return {"schema_version": "1", "id": found.id, "stopping": True}

    return router
