"""Which pipeline runs there are: one JSON file each in the home, with the document as it was when the run began."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from domain.errors import NotFoundError, StorageError
from domain.pipeline import Pipeline, StageResult
from domain.value import UtcTime, Value

RunStatus = Literal["running", "waiting", "completed", "failed", "stopped"]


class PipelineRun(Value):
    """One run as it is shown; everything but the checkpoints."""

    schema_version: str = "1"
    id: str
    pipeline: Pipeline
    inputs: dict[str, Any] = {}
    status: RunStatus = "running"
    started_by: str
    started_at: UtcTime
    ended_at: UtcTime | None = None
    waiting: list[dict[str, Any]] = []
    """Open questions: {stage, run, gate | approval | paused, allowed, votes, …}."""
    votes: dict[str, list[dict[str, Any]]] = {}
    """Question id → what people said about it, with the ledger entry of each answer."""
    stages: list[StageResult] = []
    error: str = ""
    stop: str = ""
    """Why a person stopped it; obeyed at the next stage."""

    @property
    def ended(self) -> bool:
        """Nothing more will happen."""
        return self.status in ("completed", "failed", "stopped")


class RunFiles:
    """The folder of all runs. Files are replaced whole, so that a crash leaves the old or the new one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, run: PipelineRun) -> None:
        """Raises StorageError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(run.id)
        fresh = path.with_suffix(".tmp")
        try:
            with fresh.open("w") as file:
                file.write(run.model_dump_json(indent=1, by_alias=True))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        except OSError as error:
            raise StorageError("a pipeline run cannot be written", found=f"{path}: {error.strerror}") from error

    def get(self, run_id: str) -> PipelineRun:
        """Raises NotFoundError, StorageError."""
        path = self._path(run_id)
        if not path.is_file():
            raise NotFoundError(f"there is no pipeline run {run_id}", hint="firebreak pipeline runs lists them")
        try:
            return PipelineRun.model_validate_json(path.read_text())
        except (OSError, ValidationError) as error:
            raise StorageError(f"{path} cannot be read", found=" ".join(str(error).split())[:200]) from error

    def all(self) -> list[PipelineRun]:
        """Newest first."""
        found = [self.get(path.stem) for path in self._folder.glob("*.json")]
        return sorted(found, key=lambda run: run.started_at, reverse=True)

    def _path(self, run_id: str) -> Path:
        name = "".join(c for c in run_id if c.isalnum() or c == "-")
        return self._folder / f"{name}.json"
