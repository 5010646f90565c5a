"""What a workload is told over its standard input, and what it says about itself."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, Literal

from domain.value import Value


class Orders(Value):
    """Common to all workloads."""

    state_file: Path
    """Where it writes what it is doing, every second or so."""
    until: float
    """Epoch seconds; it ends by itself then, whatever else happens."""


class ExportOrders(Orders):
    """A batch client that reads too slowly and comes back when it is cut."""

    kind: Literal["exports"] = "exports"
    host: str
    port: int
    path: str
    clients: int
    bytes_per_s: int


class LockOrders(Orders):
    """A session that locks a table and then does nothing."""

    kind: Literal["lock"] = "lock"
    dsn: str
    table: str
    application_name: str


class NeighbourOrders(Orders):
    """Somebody else who spends the same quota."""

    kind: Literal["neighbour"] = "neighbour"
    url: str
    headers: dict[str, str]
    body: dict[str, Any]
    rps: float


class Said(Value):
    """The newest word of a workload."""

    at: float
    active: int
    """Downloads held, locks held, requests answered in the last second."""
    total: int
    text: str = ""


def say(path: Path, *, active: int, total: int, text: str = "") -> None:
    """Replace the state file in one move, so that no reader ever sees half of it."""
    said = Said(at=time.time(), active=active, total=total, text=text)
    fresh = path.with_suffix(".new")
    fresh.write_text(said.model_dump_json())
    os.replace(fresh, path)


def heard(path: Path) -> Said | None:
    """What the workload said last, or None."""
    try:
        return Said.model_validate(json.loads(path.read_text()))
    except (OSError, ValueError):
        return None
