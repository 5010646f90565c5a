"""Requests that both versions answered, side by side, as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from domain.errors import EvidenceError

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Codes = NDArray[np.int64]

SHORTEST_S = 1e-6
"""Durations below are taken as this: ratios need something above zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """One dimension of the requests, such as the route: `names[codes[i]]` is what request `i` says."""

    names: tuple[str, ...]
    codes: Codes

    @classmethod
    def of(cls, values: Sequence[str]) -> Labels:
        """From one word per request."""
        names = tuple(sorted(set(values)))
        place = {name: code for code, name in enumerate(names)}
        return cls(names=names, codes=np.array([place[value] for value in values], dtype=np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Requests in no particular order; every column has one entry per request.

    `at` is seconds on the rollout's own clock (never the wall's), `seconds` the time to answer. Raises EvidenceError for
    columns of unequal length, negative or missing numbers.
    """

    at: Floats
    seconds: Floats
    failed: Flags
    canary: Flags
    """True where the new version answered."""
    labels: Mapping[str, Labels] = field(default_factory=dict)
    """Dimension → what each request says of itself in it."""

    def __post_init__(self) -> None:
        lengths = {len(self.at), len(self.seconds), len(self.failed), len(self.canary)}
        lengths |= {len(labels.codes) for labels in self.labels.values()}
        if len(lengths) != 1:
            raise EvidenceError(
                "the columns of the traffic differ in length", expected="one length", found=str(lengths)
            )
        if not (np.isfinite(self.at).all() and np.isfinite(self.seconds).all() and (self.seconds >= 0).all()):
            raise EvidenceError("a request has no time", expected="finite times, durations that are not negative")

    def __len__(self) -> int:
        return len(self.at)

    def where(self, kept: Flags) -> Traffic:
        """Only the requests that are marked."""
        labels = {name: Labels(names=found.names, codes=found.codes[kept]) for name, found in self.labels.items()}
        return Traffic(
            at=self.at[kept],
            seconds=self.seconds[kept],
            failed=self.failed[kept],
            canary=self.canary[kept],
            labels=labels,
        )

    def between(self, start: float, end: float) -> Traffic:
        """Requests from `start` up to, not including, `end`."""
        return self.where((self.at >= start) & (self.at < end))

    def segment(self, segment: Segment) -> Traffic:
        """Requests of one segment; none when the dimension or the name is not known."""
        labels = self.labels.get(segment.dimension)
        if segment == EVERYTHING:
            return self
        if labels is None or segment.name not in labels.names:
            return self.where(np.zeros(len(self), dtype=np.bool_))
        return self.where(labels.codes == labels.names.index(segment.name))

    def strata(self, window_s: float, dimension: str = "route") -> Codes:
        """A number per request that is the same for requests of one time window and one route.

        Only such requests are compared with each other: a share that grows from stage to stage, a busy hour or another mix
        of routes can then not look like a difference between the versions (Simpson's paradox).
        """
        windows = self.windows(window_s)
        labels = self.labels.get(dimension)
        return windows if labels is None else windows * len(labels.names) + labels.codes

    def windows(self, window_s: float) -> Codes:
        """The time window of each request."""
        return np.floor(self.at / window_s).astype(np.int64)

    def durations(self) -> Floats:
        """Logarithms of the times to answer, so that a ratio is a shift."""
        return np.log(np.maximum(self.seconds, SHORTEST_S))


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Segment:
    """A part of the traffic that is judged by itself: one value of one dimension, or everything."""

    dimension: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"{self.dimension} {self.name}" if self.dimension else "all requests"


EVERYTHING = Segment()


def segments(traffic: Traffic) -> tuple[Segment, ...]:
    """Everything, then each value of each dimension that has at least two."""
    found = [EVERYTHING]
    for dimension, labels in sorted(traffic.labels.items()):
        if len(labels.names) > 1:
            found += [Segment(dimension=dimension, name=name) for name in labels.names]
    return tuple(found)
