"""Skills over HTTP: what there is, how it stands, runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import APIRouter
from pydantic import Field

from domain.errors import NotFoundError
from domain.value import Value
from graph.skills.manager import ManagerReport, Mission
from graph.skills.missions import Missions
from graph.skills.rehearsals import AS_IT_IS, Rehearsals, Wish
from graph.skills.runner import SkillRunner
from graph.skills.standing import Standings
from skills.listing import SkillRow, SkillShown, listed, shown
from skills.rehearsal import Rehearsal
from skills.report import Order, Report
from skills.store import Standing
from web.persons import Caller
from web.ports import Ports

Room = TypeVar("Room")


class SkillList(Value):
    """Everything that can be run."""

    schema_version: str = "1"
    skills: list[SkillRow]


class Word(Value):
    """What a person says about a skill."""

    reason: Annotated[str, Field(max_length=500)] = ""


class Verdict(Value):
    """Why a skill must not be used."""

    reason: Annotated[str, Field(min_length=3, max_length=500)]


class SkillRuns(Value):
    """Newest first."""

    schema_version: str = "1"
    runs: list[Report]


@dataclass(frozen=True, slots=True)
class Rooms:
    """Who answers, where there is somebody. All raise NotFoundError where there is not."""

    ports: Ports

    def runner(self) -> SkillRunner:
        """Runs skills."""
        return _there(self.ports.skills, "No skills can be run here.")

    def rehearsals(self) -> Rehearsals:
        """Rehearses them."""
        return _there(self.ports.rehearsals, "No skills can be rehearsed here.")

    def missions(self) -> Missions:
        """The manager agent."""
        return _there(self.ports.missions, "No manager agent works here.")

    def standings(self) -> Standings:
        """Keeps how far they are trusted."""
        return _there(self.ports.standings, "No skills are kept here.")


def _there(room: Room | None, otherwise: str) -> Room:
    if room is None:
        raise NotFoundError(otherwise, hint="`firebreak up` starts an app that has them.")
    return room


def build(ports: Ports) -> APIRouter:
    """The endpoints."""
    router, rooms = APIRouter(tags=["skills"]), Rooms(ports)
    for add in (_catalogue, _runs, _trust, _missions):
        add(router, rooms)
    return router


def _catalogue(router: APIRouter, rooms: Rooms) -> None:
    @router.get("/api/skills", summary="Everything that can be run, with its track record")
    async def skills() -> SkillList:
        bench = rooms.runner().bench
        return SkillList(skills=listed(bench.shelf, bench.store))

    @router.get("/api/skills/{name}", summary="One skill with its history")
    async def skill(name: str) -> SkillShown:
        bench = rooms.runner().bench
        return shown(*bench.shelf.procedure(name), bench.store)


def _runs(router: APIRouter, rooms: Rooms) -> None:
    @router.get("/api/skill-runs", summary="Runs, newest first")
    async def runs(skill: str | None = None) -> SkillRuns:
        return SkillRuns(runs=rooms.runner().bench.store.runs(skill)[:100])

    @router.post("/api/skill-runs", status_code=202, summary="Run a skill, dry unless `execute`")
    async def start(order: Order, caller: Caller) -> Report:
        return await rooms.runner().submit(order)

    @router.get("/api/skill-runs/{run_id}", summary="One run, as far as it went")
    async def run(run_id: str) -> Report:
        return rooms.runner().bench.store.run(run_id)


def _trust(router: APIRouter, rooms: Rooms) -> None:
    @router.post("/api/skills/{name}/rehearsals", status_code=202, summary="Break what it claims to mend, and see")
    async def rehearse(name: str, caller: Caller, wish: Wish = AS_IT_IS) -> Rehearsal:
        return await rooms.rehearsals().start(name, wish)

    @router.get("/api/skill-rehearsals/{rehearsal_id}", summary="One rehearsal, as far as it went")
    async def rehearsal(rehearsal_id: str) -> Rehearsal:
        return rooms.rehearsals().get(rehearsal_id)

    @router.post("/api/skills/{name}/promote", summary="One step up, with your own token")
    async def promote(name: str, caller: Caller, word: Word | None = None) -> Standing:
        """draft → validated → (a rehearsal) → trusted. Who promotes is what the token says; the ledger keeps it."""
        reason = word.reason if word else ""
        return await rooms.standings().promote(name, reason, person=caller.name, token=caller.token)

    @router.post("/api/skills/{name}/quarantine", summary="Out of use, with your own token")
    async def quarantine(name: str, caller: Caller, verdict: Verdict) -> Standing:
        return await rooms.standings().quarantine(name, verdict.reason, person=caller.name, token=caller.token)


def _missions(router: APIRouter, rooms: Rooms) -> None:
    @router.post(
        "/api/missions", status_code=202, summary="A task card for the manager agent; read-only unless allowed"
    )
    async def mission(wanted: Mission, caller: Caller) -> ManagerReport:
        return await rooms.missions().submit(wanted)

    @router.get("/api/missions/{mission_id}", summary="One mission, as far as it went")
    async def mission_report(mission_id: str) -> ManagerReport:
        return rooms.missions().get(mission_id)
