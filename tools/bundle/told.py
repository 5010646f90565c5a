"""What a reader has to say about what it read: problems (skipped) and notes (understood), both bounded."""

from __future__ import annotations

from dataclasses import dataclass, field

from tools.moment import ISO, SECONDS

REPORTED = 20
"""Problems told one by one for each file; the rest is a count."""


@dataclass(slots=True)
class Told:
    """Collects problems and notes; each file tells its first problems and counts the rest."""

    rows: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    _notes: dict[str, None] = field(default_factory=dict)

    def skipped(self, name: str, where: str, what: object) -> None:
        """One malformed line or row of file `name` was left out."""
        self.counts[name] = self.counts.get(name, 0) + 1
        if self.counts[name] <= REPORTED:
            self.rows.append(f"{name} {where}: {str(what)[:200]}; skipped")

    def note(self, name: str, what: str) -> None:
        """Something about file `name` that was understood although unusual; said once."""
        self._notes.setdefault(f"{name}: {what}")

    def unit(self, name: str, unit: str) -> None:
        """The times of file `name` are in this unit; said when it is neither seconds nor ISO 8601."""
        if unit not in {SECONDS, ISO}:
            self.note(name, f"times are in {unit}, read as such")

    @property
    def problems(self) -> tuple[str, ...]:
        """All problems, each file's rest as a count."""
        more = [f"{n}: {c - REPORTED} more problems of this kind" for n, c in self.counts.items() if c > REPORTED]
        return (*self.rows, *more)

    @property
    def notes(self) -> tuple[str, ...]:
        """All notes, in the order they were made."""
        return tuple(self._notes)
