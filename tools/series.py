"""Samples of an exposition page, found by what their names say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_SAMPLE = re.compile(r"^([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?$")
_LABEL = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"')


POOL_SIZE = r"pool.*(size|max|limit)$"
"""Names of gauges that say how many connections a pool may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One line of the page."""

    name: str
    labels: Mapping[str, str]
    value: float


def samples(text: str) -> Iterator[Sample]:
    """All samples; lines that are none are skipped."""
    for line in text.splitlines():
        row = _SAMPLE.match(line) if line and not line.startswith("#") else None
        if row is None:
            continue
        try:
            value = float(row.group(3))
        except ValueError:
            continue
        yield Sample(name=row.group(1), labels=dict(_LABEL.findall(row.group(2) or "")), value=value)


def gauge(text: str, wanted: str, override: str = "") -> float | None:
    """Sum of the samples whose name is `override`, or matches the pattern `wanted`; None when there is none."""
    pattern = re.compile(wanted)
    found = [s for s in samples(text) if (s.name == override if override else pattern.search(s.name))]
    names = {s.name for s in found}
    if not found:
        return None
    # Several names fit: the shortest says it most plainly.
    name = min(names, key=lambda n: (len(n), n))
    return sum(s.value for s in found if s.name == name)
