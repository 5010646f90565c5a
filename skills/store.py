"""What a home remembers of its skills: every run (failed ones too) and who trusts which digest. Files, replaced whole."""

from __future__ import annotations

import json
import os
import re
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from domain.errors import NotFoundError, StorageError
from domain.value import UtcTime, Value, canonical
from skills.rehearsal import Rehearsal
from skills.report import Report
from skills.signing import Signer

V = TypeVar("V", bound=Value)


class Trust(StrEnum):
    """How far a skill has come."""

    DRAFT = "draft"
    VALIDATED = "validated"
    REHEARSED = "rehearsed"
    TRUSTED = "trusted"
    QUARANTINED = "quarantined"

    @property
    def level(self) -> int:
        """draft 0 to trusted 3; quarantined is below all."""
        return -1 if self is Trust.QUARANTINED else list(Trust).index(self)


class Standing(Value):
    """One step in the life of one digest of a skill."""

    skill: str
    version: str
    digest: str
    trust: Trust
    by: str
    reason: str = ""
    at: UtcTime
    evidence: list[str] = []
    """Ids of rehearsals or runs that it rests on."""
    ledger: int | None = None
    signature: str = ""
    """Ed25519 over the rest, when trusted."""

    def signed(self) -> bytes:
        """What a signature is over."""
        return canonical(self.model_copy(update={"signature": ""}))


class SkillStore:
    """A folder in the home. Raises StorageError when it cannot be written or read."""

    def __init__(self, folder: Path, key: Path | None = None) -> None:
        self._folder = folder
        self._signer = Signer(key or folder / "signing.key")

    def save(self, report: Report) -> None:
        """A run, as far as it went."""
        self._write(self._folder / "runs" / f"{_safe(report.id)}.json", report.model_dump_json(indent=1))

    def run(self, run_id: str) -> Report:
        """Raises NotFoundError."""
        path = self._folder / "runs" / f"{_safe(run_id)}.json"
        if not path.is_file():
            raise NotFoundError(f"there is no skill run {run_id[:60]!r}", hint="firebreak skill runs lists them")
        return _read(Report, path)

    def known_run(self, run_id: str) -> Report | None:
        """None when there is none of that id."""
        try:
            return self.run(run_id)
        except NotFoundError:
            return None

    def runs(self, skill: str | None = None) -> list[Report]:
        """Newest first."""
        found = [_read(Report, path) for path in (self._folder / "runs").glob("*.json")]
        chosen = [r for r in found if skill is None or r.order.skill == skill]
        return sorted(chosen, key=lambda r: r.started_at, reverse=True)

    def save_rehearsal(self, rehearsal: Rehearsal) -> None:
        """A rehearsal, as far as it went."""
        path = self._folder / "rehearsals" / f"{_safe(rehearsal.id)}.json"
        self._write(path, rehearsal.model_dump_json(indent=1))

    def rehearsal(self, rehearsal_id: str) -> Rehearsal:
        """Raises NotFoundError."""
        path = self._folder / "rehearsals" / f"{_safe(rehearsal_id)}.json"
        if not path.is_file():
            raise NotFoundError(f"there is no rehearsal {rehearsal_id[:60]!r}")
        return _read(Rehearsal, path)

    def rehearsals(self, skill: str) -> list[Rehearsal]:
        """Newest first, over all digests."""
        found = [_read(Rehearsal, path) for path in (self._folder / "rehearsals").glob("*.json")]
        return sorted((r for r in found if r.skill == skill), key=lambda r: r.started_at, reverse=True)

    def stand(self, standing: Standing) -> None:
        """Append to the skill's history; what is trusted is signed."""
        if standing.trust is Trust.TRUSTED:
            standing = standing.model_copy(update={"signature": self._signer.sign(standing.signed())})
        rows = [*self.history(standing.skill), standing]
        text = json.dumps([row.model_dump(mode="json") for row in rows], indent=1)
        self._write(self._history_file(standing.skill), text)

    def history(self, skill: str) -> list[Standing]:
        """Oldest first, over all digests."""
        path = self._history_file(skill)
        if not path.is_file():
            return []
        try:
            return [Standing.model_validate(row) for row in json.loads(path.read_text())]
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error

    def standing(self, skill: str, digest: str) -> Standing | None:
        """Where this very digest stands; another digest of the same name is another skill.

        A trusted one whose signature does not verify was written by somebody else: it counts as a draft.
        """
        found = next((s for s in reversed(self.history(skill)) if s.digest == digest), None)
        if found is None or found.trust is not Trust.TRUSTED or self._signer.verify(found.signed(), found.signature):
            return found
        return found.model_copy(update={"trust": Trust.DRAFT, "reason": "the signature of its trust does not verify"})

    def _history_file(self, skill: str) -> Path:
        return self._folder / "standings" / f"{_safe(skill)}.json"

    def _write(self, path: Path, text: str) -> None:
        fresh = path.with_suffix(".tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with fresh.open("w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        except OSError as error:
            raise StorageError("a skill's record cannot be written", found=f"{path}: {error.strerror}") from error


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]", "", name)[:80]


def _read(model: type[V], path: Path) -> V:
    try:
        return model.model_validate_json(path.read_text())
    except (OSError, ValidationError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> StorageError:
    return StorageError(f"{path} cannot be read", found=" ".join(str(error).split())[:200])
