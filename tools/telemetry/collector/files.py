"""Files that are followed: logs, spans and changes, each from where the last run stopped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from domain.bundle import LogLine
from domain.inventory import Inventory
from tools.telemetry import lines
from tools.telemetry.naming import Traced
from tools.telemetry.sqlite import TelemetryWriter
from tools.telemetry.tail import CHUNK, LINE, Tail


@dataclass(frozen=True, slots=True)
class Followed:
    """One file that is followed."""

    service: str
    kind: str
    """logs, spans or changes."""
    tail: Tail
    traced: Traced
    """What services are called in traces."""

    def write(self, writer: TelemetryWriter, now: float) -> None:
        """Store what was added since the last call, and how far it was read."""
        skipped = self.tail.skipped
        found = self.tail.read()
        if found:
            self._store(found, writer, now)
        if self.tail.moved:
            writer.keep_offset(str(self.tail.path), self.tail.inode, self.tail.position)
        if self.tail.skipped > skipped and skipped:
            writer.logs([self._flood(self.tail.skipped - skipped, now)])

    def _store(self, found: list[bytes], writer: TelemetryWriter, now: float) -> None:
        match self.kind:
            case "logs":
                writer.logs([lines.log_line(line, self.service, now) for line in found])
            case "spans":
                writer.spans([self.traced.named(s) for line in found for s in lines.spans(line, self.service)])
            case _:
                writer.changes([c for line in found if (c := lines.change(line)) is not None])

    def _flood(self, skipped: int, now: float) -> LogLine:
        return LogLine(
            time=now,
            service=self.service,
            level="WARNING",
            message=f"{skipped} bytes of {self.tail.path.name} were passed over: it grows faster than it can be read",
            attributes={"from": "collector"},
        )


def followed(inventory: Inventory, root: Path, writer: TelemetryWriter) -> list[Followed]:
    """Every file that the inventory names, once: several services may name the same one, the first is its owner."""
    found: dict[tuple[str, str], Followed] = {}
    traced = Traced(inventory)
    for service in inventory.services:
        sources = service.telemetry
        for kind, paths in (("logs", sources.logs), ("spans", sources.spans), ("changes", sources.changes)):
            for path in paths:
                place = root / path
                if (str(place), kind) not in found:
                    inode, position = writer.offset(str(place)) or (0, 0)
                    tail = Tail(place, inode, position, longest=CHUNK if kind == "spans" else LINE)
                    found[str(place), kind] = Followed(service=service.name, kind=kind, tail=tail, traced=traced)
    return list(found.values())
