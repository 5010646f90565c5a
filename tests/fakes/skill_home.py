"""A home whose app runs skills over the little world, on a real loopback socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import FastAPI
from langgraph.checkpoint.memory import InMemorySaver

from graph.checkpoint.lease import ProcessLeases
from graph.checkpoint.serde import strict_serde
from graph.settings import Settings
from graph.skills.missions import Missions
from graph.skills.runner import SkillRunner
from tests.fakes import web_services as fakes
from tests.fakes.web_server import serving_app
from tests.unit.skills.trial import Trial
from web.build import build_app


@contextmanager
def skill_home(root: Path, trial: Trial) -> Iterator[Path]:
    """The home; `--home` leads the command line to its app."""
    runner = SkillRunner(trial.bench, ProcessLeases(), "app")
    missions = Missions(runner, root / "missions")

    @asynccontextmanager
    async def alive(_: FastAPI) -> AsyncIterator[None]:
        await runner.start(InMemorySaver(serde=strict_serde()))
        yield
        await missions.close()
        await runner.close()

    ports = replace(fakes.ports(root), skills=runner, missions=missions)
    with serving_app(build_app(ports, Settings(home=ports.home), lifespan=alive)) as url:
        (root / "run").mkdir(exist_ok=True)
        (root / "run" / "ports.json").write_text(json.dumps({"app": urlsplit(url).port}))
        yield root
