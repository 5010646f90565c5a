"""A rollout in the home: its state as JSON, what was observed as columns. Both are replaced in one step."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np

from contracts.enforcement.observing import Reading, Request
from contracts.enforcement.rollout import Rollout
from contracts.keeping import keep
from domain.errors import NotFoundError


class RolloutFiles:
    """`ID.json` and `ID.npz` in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, rollout: Rollout) -> None:
        """Replace the state. Raises StorageError."""
        keep(self._path(rollout.id, "json"), rollout.model_dump_json().encode(), f"rollout {rollout.id}")

    def all(self) -> list[Rollout]:
        """Newest first."""
        found = [self._read(file) for file in self._folder.glob("*.json")]
        return sorted(found, key=lambda rollout: rollout.started_at, reverse=True)

    def get(self, rollout_id: str) -> Rollout:
        """Raises NotFoundError."""
        file = self._path(rollout_id, "json")
        if not file.is_file():
            raise NotFoundError(f"there is no rollout {rollout_id[:60]!r}", hint="firebreak contract rollouts")
        return self._read(file)

    def keep(
        self, rollout_id: str, name: str, requests: list[Request], readings: list[Reading], read_to: float
    ) -> None:
        """Replace what was observed; `name` tells the time before the rollout from the rollout itself. Raises StorageError."""
        body = io.BytesIO()
        np.savez_compressed(
            body,
            at=np.array([r.at for r in requests]),
            seconds=np.array([r.seconds for r in requests]),
            failed=np.array([r.failed for r in requests], dtype=np.bool_),
            version=np.array([r.version for r in requests], dtype=np.str_),
            marks=np.array([json.dumps(r.marks) for r in requests], dtype=np.str_),
            memory=np.array([(r.at, r.canary, r.baseline) for r in readings]).reshape(-1, 3),
            read_to=np.array(read_to),
        )
        keep(self._path(rollout_id, f"{name}.npz"), body.getvalue(), f"rollout {rollout_id}")

    def kept(self, rollout_id: str, name: str) -> tuple[list[Request], list[Reading], float]:
        """(requests, readings, up to where they were read); nothing and 0 when nothing was kept."""
        file = self._path(rollout_id, f"{name}.npz")
        if not file.is_file():
            return [], [], 0.0
        with np.load(file) as rows:
            marks = [tuple(json.loads(text)) for text in rows["marks"].tolist()]
            columns = (rows[key].tolist() for key in ("at", "seconds", "failed", "version"))
            requests = [
                Request(at=at, seconds=seconds, failed=failed, version=version, marks=mark)
                for at, seconds, failed, version, mark in zip(*columns, marks, strict=True)
            ]
            readings = [Reading(at=at, canary=new, baseline=old) for at, new, old in rows["memory"].tolist()]
            return requests, readings, float(rows["read_to"])

    def _path(self, rollout_id: str, ending: str) -> Path:
        safe = "".join(c for c in rollout_id if c.isalnum() or c == "-")
        return self._folder / f"{safe}.{ending}"

    @staticmethod
    def _read(file: Path) -> Rollout:
        return Rollout.model_validate_json(file.read_bytes())
