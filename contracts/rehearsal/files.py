"""Rehearsals in the home: one JSON file each, replaced in one step."""

from __future__ import annotations

from pathlib import Path

from contracts.keeping import keep
from contracts.rehearsal.trial import Trial
from domain.errors import NotFoundError


class TrialFiles:
    """`ID.json` in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, trial: Trial) -> None:
        """Replace it. Raises StorageError."""
        keep(self._file(trial.id), trial.model_dump_json().encode(), f"rehearsal {trial.id}")

    def all(self) -> list[Trial]:
        """Newest first."""
        found = [Trial.model_validate_json(file.read_bytes()) for file in self._folder.glob("trial-*.json")]
        return sorted(found, key=lambda trial: trial.started_at, reverse=True)

    def get(self, trial_id: str) -> Trial:
        """Raises NotFoundError."""
        file = self._file(trial_id)
        if not file.is_file():
            raise NotFoundError(f"there is no rehearsal {trial_id[:60]!r}", hint="firebreak contract rehearse ID")
        return Trial.model_validate_json(file.read_bytes())

    def _file(self, trial_id: str) -> Path:
        return self._folder / f"{''.join(c for c in trial_id if c.isalnum() or c == '-')}.json"
