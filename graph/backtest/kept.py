"""What was said and what was true, kept: a folder of labelled bundles, so that `eval diagnosis` and `--history` read it too."""

from __future__ import annotations

import json
import os
import re
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from domain.bundle import Bundle
from domain.diagnosis import Diagnosis
from domain.errors import EvidenceError, FirebreakError, NotFoundError
from domain.value import UtcTime, Value
from tools.bundle import write_bundle

RESULT, TRUTH = "backtest.json", "truth.json"
EXTERNAL, HEALTHY = "external", "healthy"
_ID = re.compile(r"bt-[0-9a-f]{12}")
WORDS = r"^[A-Za-z0-9_.:-]{1,120}(/[A-Za-z0-9_-]{1,60})?$"
"""What a label may look like: `healthy`, `external`, SERVICE or SERVICE/CLASS."""


class Label(Value):
    """A person's word on the truth: the service at fault (and the class of the fault), or `external`, or `healthy`."""

    service: str = ""
    fault_class: str = ""
    external: bool = False
    healthy: bool = False
    by: str = ""
    at: UtcTime

    def words(self) -> str:
        """As it is written: `db/disk_full`, `external`, `healthy`."""
        if self.healthy or self.external:
            return HEALTHY if self.healthy else EXTERNAL
        return f"{self.service}/{self.fault_class}" if self.fault_class else self.service


class Backtest(Value):
    """One past alert: what would have been said, and what was true once somebody told."""

    schema_version: str = "1"
    id: str
    alert: str
    labels: dict[str, str] = {}
    service: str = ""
    started_at: UtcTime
    ended_at: UtcTime
    diagnosis: Diagnosis
    truth: Label | None = None


def label_of(words: str, *, by: str, at: datetime) -> Label:
    """`service`, `service/class`, `healthy` or `external` as a label. Raises FirebreakError (request.invalid)."""
    if words == HEALTHY:
        return Label(healthy=True, by=by, at=at)
    if words == EXTERNAL:
        return Label(external=True, by=by, at=at)
    if not re.match(WORDS, words) or words.endswith("\n"):
        raise FirebreakError(
            "That says nothing about the truth.",
            expected="SERVICE, SERVICE/CLASS, healthy or external",
            found=words[:80] or "nothing",
            hint="for example --truth db/disk_full",
            code="request.invalid",
        )
    service, _, fault_class = words.partition("/")
    return Label(service=service, fault_class=fault_class, by=by, at=at)


class FileBacktests:
    """One folder per alert below `home/backtest`: the bundle, the result, and the label as `truth.json`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def all(self) -> list[Backtest]:
        """Every result, oldest alert first. Raises EvidenceError when one cannot be read."""
        found = [self._read(place) for place in self.folder.glob(f"bt-*/{RESULT}")]
        return sorted(found, key=lambda row: (row.started_at, row.id))

    def get(self, identity: str) -> Backtest:
        """Raises NotFoundError."""
        place = self.folder / identity / RESULT
        if not _ID.fullmatch(identity) or not place.exists():
            raise NotFoundError(
                f"there is no backtest {identity[:60]!r}",
                expected="an id that `firebreak backtest list` shows",
                found=identity[:60],
            )
        return self._read(place)

    def keep(self, bundle: Bundle, result: Backtest) -> Backtest:
        """Write both; a label that was given before stays. Raises EvidenceError."""
        place = self.folder / result.id
        known = self._read(place / RESULT).truth if (place / RESULT).exists() else None
        kept = result.model_copy(update={"truth": known})
        write_bundle(bundle, place)
        self._write(place / RESULT, kept.model_dump_json(indent=1))
        return kept

    def label(self, identity: str, label: Label) -> Backtest:
        """Write down what was true. Raises NotFoundError."""
        kept = self.get(identity).model_copy(update={"truth": label})
        place = self.folder / identity
        self._write(place / RESULT, kept.model_dump_json(indent=1))
        if label.external:
            (place / TRUTH).unlink(missing_ok=True)
            return kept
        truth = {"services": [label.service] if label.service else [], "fault_type": label.fault_class or None}
        self._write(place / TRUTH, json.dumps(truth | {"healthy": label.healthy}))
        return kept

    def _read(self, place: Path) -> Backtest:
        try:
            return Backtest.model_validate_json(place.read_text(encoding="utf-8"))
        except (OSError, ValidationError) as error:
            raise EvidenceError(
                "a kept backtest cannot be read",
                expected=f"what `firebreak backtest` wrote to {place}",
                found=str(error)[:200],
                hint="delete its folder and run the backtest again",
            ) from error

    def _write(self, place: Path, text: str) -> None:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            partial = place.with_name(f".{place.name}.{os.getpid()}")
            partial.write_text(text, encoding="utf-8")
            partial.replace(place)
        except OSError as error:
            raise EvidenceError(f"cannot write {place}", found=str(error)) from error
