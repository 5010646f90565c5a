"""Pipelines over HTTP: what is shipped, runs, people's answers at gates, stops."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from domain.errors import NotFoundError
from domain.pipeline import Pipeline
from domain.value import Value
from graph.pipelines.reading import load_pipeline, shipped
from graph.pipelines.runner import GateAnswer, PipelineRunner
from graph.pipelines.runs import PipelineRun
from web.persons import Caller
from web.ports import Ports


class StartPipeline(Value):
    """A shipped pipeline by name, or a whole document."""

    pipeline: Annotated[str, Field(max_length=60)] | Pipeline
    inputs: dict[str, Any] = {}


class StopPipeline(Value):
    """Why nothing further shall begin."""

    reason: Annotated[str, Field(max_length=500)] = ""


class PipelineRow(Value):
    """One shipped pipeline."""

    name: str
    version: str
    tier: str
    description: str


class PipelineList(Value):
    """What can be run by name."""

    schema_version: str = "1"
    pipelines: list[PipelineRow]


class PipelineRuns(Value):
    """Newest first."""

    schema_version: str = "1"
    runs: list[PipelineRun]


def build(ports: Ports) -> APIRouter:
    """The endpoints."""
    router = APIRouter(tags=["pipelines"])

    def runner() -> PipelineRunner:
        if ports.pipelines is None:
            raise NotFoundError("No pipelines can be run here.", hint="`firebreak up` starts an app that can.")
        return ports.pipelines

    @router.get("/api/pipelines", summary="Shipped pipelines")
    async def pipelines() -> PipelineList:
        found = [load_pipeline(name) for name in shipped()]
        rows = [PipelineRow(name=p.name, version=p.version, tier=p.tier, description=p.description) for p in found]
        return PipelineList(pipelines=rows)

    @router.get("/api/pipeline-runs", summary="Runs, newest first")
    async def runs() -> PipelineRuns:
        return PipelineRuns(runs=runner().runs())

    @router.post("/api/pipeline-runs", status_code=202, summary="Start a run")
    async def start(wish: StartPipeline, caller: Caller) -> PipelineRun:
        chosen = wish.pipeline
        if isinstance(chosen, str):
            if chosen not in shipped():
                raise NotFoundError(f"there is no shipped pipeline {chosen!r}", expected=", ".join(shipped()))
            chosen = load_pipeline(chosen)
        return await runner().submit(chosen, wish.inputs, caller.name)

    @router.get("/api/pipeline-runs/{run_id}", summary="One run with its stages and open questions")
    async def run(run_id: str) -> PipelineRun:
        return runner().get(run_id)

    @router.post("/api/pipeline-runs/{run_id}/stages/{stage}", summary="Answer a waiting stage with your own token")
    async def answer(run_id: str, stage: str, given: GateAnswer, caller: Caller) -> PipelineRun:
        """Who answers is what the token says; the action server writes it to the ledger in that name."""
        return await runner().answer(run_id, stage, given, person=caller.name, token=caller.token)

    @router.post("/api/pipeline-runs/{run_id}/stop", summary="No further stage begins")
    async def stop(run_id: str, caller: Caller, why: StopPipeline | None = None) -> PipelineRun:
        return await runner().stop(run_id, caller.name, why.reason if why else "")

    return router
