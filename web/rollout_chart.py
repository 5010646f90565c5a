"""A rollout's looks as a drawing: what was seen with its interval, against the line at which the judge aborts. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from contracts.enforcement.rollout import Rollout
from contracts.judge.judgement import Metric

WIDTH, HEIGHT, PAD = 640.0, 150.0, 10.0
SHOWN = ((Metric.LATENCY, "Slower by", 1.0), (Metric.ERRORS, "More failures", 0.0))
"""(metric, words, the value that means no difference)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One look, in drawing units, with its words."""

    x: float
    y: float
    top: float
    bottom: float
    result: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The abort line of one stage."""

    x1: float
    x2: float
    y: float
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """One metric over the stages. `zero` is where both versions are alike."""

    title: str
    zero: float
    dots: tuple[Dot, ...]
    lines: tuple[Line, ...]
    highest: str
    lowest: str


def drawings(rollout: Rollout) -> list[Drawing]:
    """One per metric that has a look with an interval."""
    return [found for metric, words, same in SHOWN if (found := _drawn(rollout, metric, words, same)) is not None]


def _drawn(rollout: Rollout, metric: Metric, words: str, same: float) -> Drawing | None:
    looks = [(look, ruling) for look in rollout.judgements for ruling in _whole(look, metric)]
    if not looks:
        return None
    edges: list[float] = [value - same for _, r in looks for value in (r["low"], r["high"], r["visible"])]
    top, bottom = max([*edges, 0.0]), min([*edges, 0.0])
    end: float = max(rollout.clock, float(looks[-1][0]["at"]), 1.0)

    def y(value: float) -> float:
        return round(PAD + (HEIGHT - 2 * PAD) * (top - (value - same)) / ((top - bottom) or 1.0), 1)

    def x(at: float) -> float:
        return round(PAD + (WIDTH - 2 * PAD) * min(at, end) / end, 1)

    dots = tuple(
        Dot(
            x=x(look["at"]),
            y=y(ruling["estimate"]),
            top=y(ruling["high"]),
            bottom=y(ruling["low"]),
            result=ruling["result"],
            words=f"{look['at']:.0f} s: {ruling['reason']}",
        )
        for look, ruling in looks
    )
    return Drawing(
        title=words,
        zero=y(same),
        dots=dots,
        lines=tuple(_lines(rollout, looks, x, y, same)),
        highest=f"{top:+.1%}",
        lowest=f"{bottom:+.1%}",
    )


def _whole(look: dict[str, Any], metric: Metric) -> list[dict[str, Any]]:
    """The look's ruling on all requests, where it has an interval."""
    return [
        ruling
        for ruling in look["rulings"]
        if ruling["metric"] == metric.value and ruling["segment"] == "all requests" and ruling["low"] is not None
    ]


def _lines(rollout: Rollout, looks: list[Any], x: Any, y: Any, same: float) -> Iterable[Line]:
    for number, row in enumerate(rollout.stages):
        seen = [ruling["visible"] for look, ruling in looks if look["stage"] == number]
        if seen and row.began_at is not None:
            following = rollout.stages[number + 1].began_at if number + 1 < len(rollout.stages) else None
            words = f"stage {number + 1} aborts at {seen[-1] - same:+.1%}"
            yield Line(x1=x(row.began_at), x2=x(following or rollout.clock), y=y(seen[-1]), words=words)
