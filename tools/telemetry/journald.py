"""systemd's journal behind the Telemetry port: `journalctl -o json` as an argument list, here or over ssh, bounded in lines.

The format: https://systemd.io/JOURNAL_EXPORT_FORMATS/#journal-json-format (microseconds; bytes as lists of numbers where a
message is no text). Reading other users' units takes membership in `systemd-journal` or `adm`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from math import ceil, floor
from pathlib import Path
from typing import Any

from domain.bundle import LogLine, Window
from domain.clock import SystemClock
from domain.errors import CircuitOpenError, EvidenceError, ToolError
from domain.inventory import Inventory, Service
from domain.telemetry import SourceCheck
from governance.health import Breaker
from tools.telemetry.http_api import TIMEOUT_S, side_by_side
from tools.telemetry.lines import PRIORITIES, log_line
from tools.telemetry.listing import at_host, listed
from tools.telemetry.sampling import read_lines, thinned
from tools.telemetry.telling import RECENT_S, TellsNothing, checked

FIELDS = "MESSAGE,PRIORITY,_SYSTEMD_UNIT"
GRANT = "usermod -aG systemd-journal USER, then start Firebreak again"


class JournaldTelemetry(TellsNothing):
    """Log lines of the inventory's units. It has no series, spans or changes to tell.

    `path`: a journal file or a directory of them; None reads the machine's. `host`: an ssh destination; empty is this machine.
    Raises ToolError when journalctl or ssh is missing, EvidenceError when it cannot read.
    """

    def __init__(
        self,
        inventory: Inventory,
        *,
        path: Path | None = None,
        host: str = "",
        timeout_s: float = TIMEOUT_S,
        breaker: Breaker | None = None,
    ) -> None:
        self._inventory, self._path, self._host, self._timeout_s = inventory, path, host, timeout_s
        self._breaker = breaker or Breaker("journald", SystemClock())

    async def logs(self, window: Window, *, services: Sequence[str] = (), limit: int = 2000) -> list[LogLine]:
        """See the port."""
        wanted = [s for s in self._inventory.services if not services or s.name in services]
        found, self.gaps = await side_by_side(
            lambda service: read_lines(partial(self._newest, service), window, limit),
            wanted,
            timeout_s=self._timeout_s,
            name="journald",
            what="logs",
        )
        return thinned(sorted(found, key=lambda line: line.time), limit)

    async def check(self, now: float) -> SourceCheck:
        """See `Checkable`."""
        newest = {
            service.name: line.time
            for service in self._inventory.services
            for line in await self._newest(service, (now - RECENT_S, now), 1, False)
        }
        return checked("journal, lines", newest, self._inventory.names(), now)

    def _is_folder(self) -> bool:
        """On another host nobody can look: journal files end in `.journal`."""
        assert self._path is not None
        return self._path.suffix != ".journal" if self._host else self._path.is_dir()

    async def _newest(self, service: Service, window: Window, limit: int, severe: bool) -> list[LogLine]:
        words = [
            *("journalctl", "--output=json", f"--output-fields={FIELDS}", "--no-pager", "--quiet"),
            *(f"--since=@{floor(window[0])}", f"--until=@{ceil(window[1])}", f"--lines={limit}"),
            f"--unit={service.telemetry.unit or service.name + '.service'}",
            *(["--priority=warning"] if severe else []),
            *([f"--{'directory' if self._is_folder() else 'file'}={self._path}"] if self._path else []),
        ]
        try:
            async with self._breaker.watching(EvidenceError, ToolError):
                said = (await listed(at_host(self._host, words))).well("the journal", GRANT, wordless=True)
        except CircuitOpenError as error:
            raise EvidenceError(
                "the journal cannot be read", expected="journalctl", found=error.message, hint=error.hint
            ) from error
        lines = [_line(row, service.name) for row in reversed(_rows(said.out))]
        return [line for line in lines if window[0] <= line.time <= window[1]]


def _rows(out: bytes) -> list[Mapping[str, Any]]:
    """One JSON object a line; the last one may be cut."""
    rows = []
    for line in out.splitlines():
        with suppress(ValueError):
            rows.append(json.loads(line))
    return rows


def _line(row: Mapping[str, Any], service: str) -> LogLine:
    said = row.get("MESSAGE")
    text = bytes(said) if isinstance(said, list) else str(said or "").encode()
    when = int(row["__REALTIME_TIMESTAMP"]) / 1e6
    line = log_line(text, service, when)
    priority = str(row.get("PRIORITY", ""))
    told = PRIORITIES[int(priority)] if priority in set("01234567") else ""
    return LogLine(
        time=when,
        service=service,
        message=line.message,
        level=line.level or told,
        trace_id=line.trace_id,
        span_id=line.span_id,
        attributes=line.attributes,
    )
