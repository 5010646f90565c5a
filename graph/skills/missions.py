"""Missions of the manager agent: begun, remembered as JSON, resumed where they were; a skill is never run twice for one."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import structlog

from domain.errors import FirebreakError, NotFoundError
from domain.value import new_id
from graph.skills.manager import ManagerGraph, ManagerReport, Mission, build_manager
from graph.skills.runner import SkillRunner
from graph.tasks import end_tasks
from skills.problem import SkillError
from skills.report import Order, Report

log = structlog.get_logger(__name__)


class Missions:
    """One JSON file per mission in the home."""

    def __init__(self, runner: SkillRunner, folder: Path) -> None:
        self._runner = runner
        self._folder = folder
        self._graph: ManagerGraph = build_manager(runner.bench, self._run, self._save)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Go on with every mission that had not ended."""
        for file in self._folder.glob("*.json"):
            report = self.get(file.stem)
            if report.ended_at is None:
                self._drive(report)

    async def close(self) -> None:
        """The files have everything; runs of skills go on by themselves."""
        await end_tasks(self._tasks)

    async def submit(self, mission: Mission) -> ManagerReport:
        """Begin one. Raises SkillError when the card names a workload that is not there."""
        inventory = self._runner.bench.inventory
        if inventory.service(mission.card.workload) is None:
            raise SkillError(
                f"the card's workload {mission.card.workload!r} is not in the inventory",
                expected=", ".join(inventory.names()),
                found=mission.card.workload,
            )
        report = ManagerReport(id=new_id("mgr"), mission=mission, started_at=self._runner.bench.clock.now())
        self._save(report)
        self._drive(report)
        return report

    def get(self, mission_id: str) -> ManagerReport:
        """Raises NotFoundError."""
        file = self._folder / f"{''.join(c for c in mission_id if c.isalnum() or c == '-')}.json"
        if not file.is_file():
            raise NotFoundError(f"there is no mission {mission_id[:60]!r}")
        return ManagerReport.model_validate(json.loads(file.read_text()))

    def _drive(self, report: ManagerReport) -> None:
        task = asyncio.create_task(self._go(report), name=f"mission {report.id}")
        self._tasks[report.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(report.id, None))

    async def _go(self, report: ManagerReport) -> None:
        try:
            await self._graph.ainvoke({"report": report.model_dump(mode="json")})
        except Exception as error:
            words = "; ".join(error.lines()) if isinstance(error, FirebreakError) else type(error).__name__
            log.error("mission.failed", mission=report.id, error=words)
            last = self.get(report.id)
            ended = {"status": "failed", "notes": [*last.notes, words], "ended_at": self._runner.bench.clock.now()}
            self._save(last.model_copy(update=ended))

    async def _run(self, order: Order, run_id: str) -> Report:
        begun = await self._runner.submit(order, run_id=run_id)
        return await self._runner.ended(begun.id)

    def _save(self, report: ManagerReport) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / f"{report.id}.json"
        fresh = file.with_suffix(".tmp")
        fresh.write_text(report.model_dump_json(indent=1))
        fresh.replace(file)
