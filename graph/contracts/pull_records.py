"""What is remembered of pull requests: one JSON file each, and the deliveries that nobody has looked at yet."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from contracts.keeping import keep
from domain.value import UtcTime, Value
from tools.intake.github import Hint

SEEN = 1000
"""Comments of one pull request that are remembered as heard."""
ANSWERS = 20
PATIENCE = timedelta(days=1)
"""How long a delivery is tried while GitHub cannot be asked."""


class Stand(Value):
    """One service's contract on a pull request."""

    service: str
    contract: str
    head: str
    branch: str
    """The branch it goes into; another one is another change."""
    published: str = ""
    """Digest of what GitHub was told last."""


class Answer(Value):
    """What was answered to a command that made no move."""

    service: str
    login: str
    text: str


class PullRecord(Value):
    """One pull request."""

    repository: str
    number: int
    stands: list[Stand] = []
    seen: list[int] = []
    """Comments that were heard."""
    answers: list[Answer] = []
    notes: list[str] = []
    """What became of it."""
    merged: str = ""
    closed: bool = False
    settled: bool = False
    """Closed, and GitHub knows how its contracts ended: nothing follows."""

    @property
    def name(self) -> str:
        """As a deployment is called."""
        return f"{self.repository}#{self.number}"

    def with_stand(self, stand: Stand) -> PullRecord:
        """With one service's contract replaced."""
        rest = [s for s in self.stands if s.service != stand.service]
        return self.model_copy(update={"stands": [*rest, stand], "settled": False})

    def with_answer(self, service: str, login: str, text: str) -> PullRecord:
        """With one more answer."""
        return self.model_copy(
            update={"answers": [*self.answers, Answer(service=service, login=login, text=text)][-ANSWERS:]}
        )

    def hearing(self, comment: int) -> PullRecord:
        """With a comment that was heard."""
        return self.model_copy(update={"seen": [*self.seen, comment][-SEEN:]})


class Waiting(Value):
    """A delivery that is to be looked at."""

    id: str
    hint: Hint
    received_at: UtcTime


class PullRecords:
    """`folder` holds a file per pull request, `folder/waiting` one per delivery."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting = folder / "waiting"
        self._live: dict[str, PullRecord] | None = None

    def get(self, repository: str, number: int) -> PullRecord:
        """The record, or a fresh one."""
        return (
            self.live().get(f"{repository}#{number}")
            or self._read(self._file(repository, number))
            or PullRecord(repository=repository, number=number)
        )

    def live(self) -> dict[str, PullRecord]:
        """Those that may still change, by name."""
        if self._live is None:
            found = [self._read(file) for file in self._folder.glob("pull-*.json")]
            self._live = {record.name: record for record in found if record is not None and not record.settled}
        return self._live

    def save(self, record: PullRecord) -> PullRecord:
        """On disk before anything builds on it."""
        _write(self._file(record.repository, record.number), record.model_dump_json())
        live = self.live()
        live.pop(record.name, None)
        if not record.settled:
            live[record.name] = record
        return record

    def wait(self, hint: Hint, at: datetime) -> str:
        """Keep a delivery until it was looked at; the same one twice waits once. Its id."""
        name = "gh-" + hashlib.sha256(hint.model_dump_json().encode()).hexdigest()[:20]
        _write(self._waiting / f"{name}.json", Waiting(id=name, hint=hint, received_at=at).model_dump_json())
        return name

    def waiting(self) -> list[Waiting]:
        """Oldest first."""
        found = [Waiting.model_validate_json(file.read_bytes()) for file in self._waiting.glob("gh-*.json")]
        return sorted(found, key=lambda w: (w.received_at, w.id))

    def done(self, waiting: Waiting) -> None:
        """It was looked at. One that came again meanwhile stays: there may be something new."""
        file = self._waiting / f"{waiting.id}.json"
        if file.is_file() and Waiting.model_validate_json(file.read_bytes()) == waiting:
            file.unlink()

    def _file(self, repository: str, number: int) -> Path:
        return self._folder / f"pull-{hashlib.sha256(repository.lower().encode()).hexdigest()[:12]}-{number}.json"

    def _read(self, file: Path) -> PullRecord | None:
        try:
            return PullRecord.model_validate_json(file.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None


def _write(file: Path, text: str) -> None:
    keep(file, text.encode(), "a pull request")
