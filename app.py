"""Composition root: settings and inventory → services → the app. Everything else is built where it belongs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from chaos.client import HttpDrills
from chaos.http import Http
from domain.inventory import Inventory
from graph.bootstrap import build_house
from graph.settings import Settings
from web.build import build_app
from web.door import GuardAgents, GuardDoor
from web.ports import Ports
from web.slis import StoredSlis

RUNBOOKS = Path(__file__).resolve().parent / "runbooks"


def create(settings: Settings, inventory: Inventory, *, root: Path) -> FastAPI:
    """The app for one home. `root` is the folder that relative paths of the inventory start from."""
    http = Http()
    chaos_url, token = os.environ.get("FIREBREAK_CHAOS_URL", ""), settings.home / "secrets" / "chaos.token"
    drills = HttpDrills(http, chaos_url, token.read_text().strip()) if chaos_url else None
    house = build_house(settings, inventory, os.environ, root=root, drills=drills, faults=drills)
    ports = Ports(
        responder=house.responder,
        door=GuardDoor(house.guard),
        agents=GuardAgents(house.guard),
        home=settings.home,
        drills=drills,
        pipelines=house.pipelines,
        skills=house.skills,
        rehearsals=house.rehearsals,
        standings=house.standings,
        missions=house.missions,
        bargains=house.bargains,
        rollouts=house.rollouts,
        pulls=house.pulls,
        trials=house.trials,
        telemetry=house.sources.telemetry,
        slis=StoredSlis(house.telemetry, inventory, house.services.clock),
        retriever=house.documents,
        inventory=inventory,
        outgoing=house.courier,
        runbooks=RUNBOOKS,
        clock=house.services.clock,
    )

    @asynccontextmanager
    async def alive(_: FastAPI) -> AsyncIterator[None]:
        async with http:
            await house.start()
            reading = asyncio.create_task(house.documents.take_in(RUNBOOKS))
            try:
                yield
            finally:
                await asyncio.wait([reading])
                await house.close()

    return build_app(ports, settings, lifespan=alive)
