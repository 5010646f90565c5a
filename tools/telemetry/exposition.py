"""The Prometheus text exposition format, read leanly (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_KEY = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s*$", re.S)
_TIMED = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{.*\})?)\s+(\S+)\s+(-?\d+)\s*$", re.S)
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*,?')
_ESCAPE = re.compile(r"\\(.)")
_TYPE = re.compile(r"^#\s+TYPE\s+(\S+)\s+(\S+)", re.M)

Labels = tuple[tuple[str, str], ...]
"""Label pairs, ascending by name."""


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """Name and labels of one exposed series."""

    name: str
    labels: Labels


def samples(text: str) -> Iterator[tuple[str, float]]:
    """Series text (`name{labels}` as exposed) and value, line by line; a line that is neither is passed over."""
    for line in text.split("\n"):
        if not line or line[0] == "#":
            continue
        key, _, value = line.rpartition(" ")
        if key and key[-1] not in "} " and " " in key.rpartition("}")[2]:
            timed = _TIMED.match(line)
            if timed is None:
                continue
            key, value = timed.group(1), timed.group(2)
        try:
            yield key, float(value)
        except ValueError:
            continue


def series_key(text: str) -> SeriesKey | None:
    """Parse `name{labels}`; None when it is not one."""
    found = _KEY.match(text)
    if found is None:
        return None
    pairs = sorted((name, _unescape(value)) for name, value in _LABEL.findall(found.group(2) or ""))
    return SeriesKey(found.group(1), tuple(pairs))


def types(text: str) -> dict[str, str]:
    """Family name → counter, gauge, histogram, summary or untyped, from the TYPE lines."""
    return dict(_TYPE.findall(text))


def label_text(labels: Labels) -> str:
    """Labels as they are written behind a metric's name; empty without labels."""
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels) + "}" if labels else ""


def _unescape(value: str) -> str:
    return _ESCAPE.sub(lambda m: "\n" if m.group(1) == "n" else m.group(1), value) if "\\" in value else value
