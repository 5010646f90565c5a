"""Read `metrics.csv`: a fast way for well-formed files, a careful one that tells every bad line by its number."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import pairwise
from math import isfinite

from domain.bundle import Series
from tools.bundle.files import broken
from tools.bundle.told import Told
from tools.moment import LIMIT, in_seconds

NAME = "metrics.csv"
_HEADER = ("time", "service", "metric", "value")
_MILLISECONDS = 1e11
"""From here on a time is no epoch second."""
_Points = dict[tuple[str, str], tuple[list[float], list[float]]]


def read_series(content: bytes, told: Told) -> tuple[Series, ...]:
    """Series by service and metric, each ascending by time, one value per time (the last one written counts).

    EvidenceError when the header is not the format's.
    """
    decoded = content.decode("utf-8-sig", errors="replace")
    header, _, body = decoded.partition("\n")
    columns = [c.strip().strip('"') for c in header.split(",")]
    if not set(_HEADER) <= set(columns):
        raise broken(NAME, f"the header {','.join(_HEADER)}", header.strip()[:200])
    points = _quick(body) if columns == list(_HEADER) else None
    if points is None:
        points = _careful(body, columns, told)
    return tuple(series_of(key, times, values, NAME, told) for key, (times, values) in sorted(points.items()))


def _quick(body: str) -> _Points | None:
    """All points when every line is in order, else None."""
    texts: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
    try:
        for moment, service, metric, value in csv.reader(body.rstrip().split("\n") if body.strip() else []):
            key = (service, metric)
            if key in texts:
                pair = texts[key]
            else:
                pair = texts[key] = ([], [])
            pair[0].append(moment)
            pair[1].append(value)
        points = {key: (list(map(float, times)), list(map(float, values))) for key, (times, values) in texts.items()}
    except (ValueError, csv.Error):
        return None
    sound = all(all(map(isfinite, values)) and _known_times(times) for times, values in points.values())
    return points if sound else None


def _known_times(times: list[float]) -> bool:
    return all(map(isfinite, times)) and max(map(abs, times), default=0.0) < LIMIT


def _careful(body: str, columns: list[str], told: Told) -> _Points:
    at, whose, what, how_much = (columns.index(name) for name in _HEADER)
    points: _Points = {}
    for line_number, row in _rows(body):
        try:
            if len(row) < len(columns):
                raise ValueError(f"expected {len(columns)} columns, found {len(row)}")
            moment, value = float(row[at]), float(row[how_much])
            if not (isfinite(moment) and isfinite(value)):
                raise ValueError(f"expected finite numbers, found {row[at]} and {row[how_much]}")
            in_seconds(moment)
        except ValueError as error:
            told.skipped(NAME, f"line {line_number}", error)
            continue
        times, values = points.setdefault((row[whose], row[what]), ([], []))
        times.append(moment)
        values.append(value)
    return points


def _rows(body: str) -> Iterator[tuple[int, list[str]]]:
    """Line number in the file (the header is 1) and cells; blank lines are passed over."""
    reader = csv.reader(body.split("\n"))
    try:
        for row in reader:
            if row and row != [""]:
                yield reader.line_num + 1, row
    except csv.Error as error:
        raise broken(NAME, "comma-separated values", f"line {reader.line_num + 1}: {error}") from error


def series_of(key: tuple[str, str], times: list[float], values: list[float], name: str, told: Told) -> Series:
    """A series in order out of points in any order and unit; what was unusual is noted for file `name`."""
    if times and max(times) >= _MILLISECONDS:
        scaled = [in_seconds(t) for t in times]
        told.unit(name, scaled[-1][1])
        times = [t for t, _ in scaled]
    if any(later <= earlier for earlier, later in pairwise(times)):
        latest = dict(zip(times, values, strict=True))
        if len(latest) < len(times):
            told.note(name, "some points repeat a time; the last one written counts")
        times = sorted(latest)
        values = [latest[t] for t in times]
    return Series(service=key[0], metric=key[1], times=tuple(times), values=tuple(values))
