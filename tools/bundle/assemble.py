"""Pieces from several files put together as one bundle. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from domain.alert import Change
from domain.bundle import AlertHint, Bundle, LogLine, Series, Span, Window
from tools.bundle.imports.traces import edges_of


@dataclass(slots=True, kw_only=True)
class Pieces:
    """What was imported so far."""

    series: list[Series] = field(default_factory=list[Series])
    logs: list[LogLine] = field(default_factory=list[LogLine])
    spans: list[Span] = field(default_factory=list[Span])
    changes: list[Change] = field(default_factory=list[Change])
    platform: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


def assemble(
    pieces: Pieces,
    *,
    identity: str,
    title: str = "",
    system: str = "",
    alert: AlertHint | None = None,
    onset: float | None = None,
    normal: Window | None = None,
    abnormal: Window | None = None,
) -> Bundle:
    """One bundle, everything ascending by time; who calls whom is learnt from the spans.

    Two series of one service and name become one: at equal times the later file counts.
    """
    return Bundle(
        id=identity,
        title=title,
        system=system,
        alert=alert,
        onset=onset,
        normal=normal,
        abnormal=abnormal,
        edges=tuple(edges_of(pieces.spans)),
        series=tuple(_joined(pieces.series)),
        logs=tuple(sorted(pieces.logs, key=lambda line: line.time)),
        spans=tuple(sorted(pieces.spans, key=lambda span: span.start)),
        changes=tuple(sorted(pieces.changes, key=lambda change: change.time)),
        platform=tuple(pieces.platform),
    )


def _joined(series: Iterable[Series]) -> list[Series]:
    found: dict[tuple[str, str], dict[float, float]] = {}
    for one in series:
        found.setdefault((one.service, one.metric), {}).update(zip(one.times, one.values, strict=True))
    return [
        Series(service=s, metric=m, times=tuple(sorted(points)), values=tuple(points[t] for t in sorted(points)))
        for (s, m), points in sorted(found.items())
    ]
