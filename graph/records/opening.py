"""Opening the incident records of a home."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from graph.records.event_log import EventLog
from graph.records.inbox import Inbox
from graph.records.incidents import Incidents
from graph.records.sqlite import RecordsFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What arrived, how each run stands, what was told: three views of one file."""

    inbox: Inbox
    incidents: Incidents
    events: EventLog
    close: Callable[[], None]


def open_records(path: Path | str) -> Records:
    """The records in this file, which is made where there is none."""
    file = RecordsFile(path)
    return Records(inbox=Inbox(file), incidents=Incidents(file), events=EventLog(file), close=file.close)
