"""What a table of measures needs besides: intervals, tables per class, the reliability curve in text and as SVG. Pure.

Intervals: percentile bootstrap over cases (Efron 1979), 1,000 resamples with a fixed seed.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from agents.perception.evaluate import BINS, Outcome, measure

RESAMPLES = 1000
SEED = 13
INTERVALS = ("AC@1", "AC@3", "Avg@5", "MAR", "class acc", "change", "specificity")
WIDTH = 30


def intervals(outcomes: Sequence[Outcome], level: float = 0.95) -> dict[str, tuple[float, float]]:
    """Measure → (low, high) at this level; empty for fewer than two cases."""
    if len(outcomes) < 2:
        return {}
    rng = random.Random(SEED)
    drawn: dict[str, list[float]] = {}
    for _ in range(RESAMPLES):
        for name, value in measure(rng.choices(outcomes, k=len(outcomes))).items():
            if name in INTERVALS:
                drawn.setdefault(name, []).append(value)
    tail = (1 - level) / 2
    return {
        name: (sorted(values)[int(tail * (len(values) - 1))], sorted(values)[int((1 - tail) * (len(values) - 1))])
        for name, values in drawn.items()
    }


def by_class(outcomes: Sequence[Outcome]) -> list[dict[str, float | str]]:
    """Per true fault class: support, AC@1, AC@3, precision, recall and F1 of the class."""
    said = Counter(o.fault_class for o in outcomes)
    rows: list[dict[str, float | str]] = []
    for name in sorted({o.truth.fault_class for o in outcomes if o.truth.fault_class}):
        mine = [o for o in outcomes if o.truth.fault_class == name]
        right = sum(o.fault_class == name for o in mine)
        recall, precision = right / len(mine), right / said[name] if said[name] else 0.0
        both = precision + recall
        rows.append(
            {
                "class": name,
                "cases": float(len(mine)),
                "AC@1": sum(o.place == 1 for o in mine) / len(mine),
                "AC@3": sum(o.place <= 3 for o in mine) / len(mine),
                "precision": precision,
                "recall": recall,
                "F1": 2 * precision * recall / both if both else 0.0,
            }
        )
    return rows


def reliability(outcomes: Sequence[Outcome]) -> list[dict[str, float]]:
    """Bins of said confidence with what was right in them; empty bins are left out."""
    faults = [o for o in outcomes if o.truth.services and not o.truth.healthy]
    rows = []
    for i in range(BINS):
        mine = [o for o in faults if min(BINS - 1, int(o.confidence * BINS)) == i]
        if mine:
            rows.append(
                {
                    "from": i / BINS,
                    "to": (i + 1) / BINS,
                    "cases": float(len(mine)),
                    "said": sum(o.confidence for o in mine) / len(mine),
                    "right": sum(o.place == 1 for o in mine) / len(mine),
                }
            )
    return rows


def curve_lines(rows: Sequence[dict[str, float]]) -> list[str]:
    """The reliability curve for a terminal: `#` what was right, `|` what was said."""
    lines = ["said       cases  right"]
    for row in rows:
        bar = list("#" * round(row["right"] * WIDTH) + "." * (WIDTH - round(row["right"] * WIDTH)))
        bar[min(WIDTH - 1, round(row["said"] * WIDTH))] = "|"
        lines.append(f"{row['from']:.1f}–{row['to']:.1f} {row['cases']:>8.0f} {row['right']:>6.2f}  {''.join(bar)}")
    return lines


def curve_svg(rows: Sequence[dict[str, float]], side: int = 320, margin: int = 36) -> str:
    """The reliability curve as a small SVG: the diagonal is what calibrated means, circles grow with the cases."""

    def at(x: float, y: float) -> tuple[float, float]:
        return margin + x * side, margin + (1 - y) * side

    most = max((row["cases"] for row in rows), default=1.0)
    (x0, y0), (x1, y1) = at(0, 0), at(1, 1)
    whole = side + 2 * margin
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole} {whole}" role="img" aria-label="Reliability curve">',
        f'<rect x="{x0}" y="{y1}" width="{side}" height="{side}" fill="none" stroke="#888"/>',
        f'<line x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}" stroke="#bbb" stroke-dasharray="4"/>',
        f'<text x="{margin + side / 2}" y="{whole - 8}" text-anchor="middle" font-size="12">said</text>',
        f'<text x="12" y="{margin + side / 2}" font-size="12" transform="rotate(-90 12 {margin + side / 2})">right</text>',
    ]
    for row in rows:
        x, y = at(row["said"], row["right"])
        size = 3 + 7 * (row["cases"] / most) ** 0.5
        title = f"said {row['said']:.2f}, right {row['right']:.2f}, {row['cases']:.0f} cases"
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}" fill="#2563eb"><title>{title}</title></circle>')
    return "\n".join([*parts, "</svg>", ""])
