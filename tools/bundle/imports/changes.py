"""A list of changes (JSON list, JSON lines) as the bundle's changes."""

from __future__ import annotations

from domain.alert import Change
from tools.bundle import rows
from tools.bundle.imports.document import json_rows
from tools.bundle.told import Told
from tools.moment import unit_of


def read_changes(content: bytes, name: str, told: Told) -> list[Change]:
    """Changes of a file, each {time, kind, id, service?, version?, commit?, summary?, files?, diff?, author?}."""
    found: list[Change] = []
    for place, row in json_rows(content, name, told):
        try:
            found.append(rows.change(row))
            told.unit(name, unit_of(row["time"]))
        except (ValueError, OverflowError, OSError) as error:
            told.skipped(name, place, error)
    return found
