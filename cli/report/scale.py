"""From numbers to places on a drawing and to words. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import escape


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A straight line from a domain of values to a range of pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The pixel of a value; one decimal is enough for a screen."""
        width = (self.high - self.low) or 1.0
        return round(self.start + (value - self.low) / width * (self.end - self.start), 1)


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round values between low and high (steps of 1, 2 or 5 times a power of ten)."""
    if not high > low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if rough <= power * m)
    first = math.ceil(low / step)
    return [round((first + i) * step, 12) for i in range(int((high - first * step) / step) + 1)]


def number(value: float) -> str:
    """A value as a person reads it: three figures, with k, M and G."""
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            return f"{value / (1e3 if letter == 'k' else limit):.3g}{letter}"
    return f"{value:.3g}" if abs(value) < 1e3 else f"{value:.0f}"


def clock(seconds: float, *, day: bool = False) -> str:
    """UTC time of day, with the day when asked for; empty when no calendar has it."""
    if not math.isfinite(seconds) or not 0 <= seconds < 32_503_680_000:
        return ""
    return f"{datetime.fromtimestamp(seconds, UTC):{'%Y-%m-%d %H:%M:%S' if day else '%H:%M'}}"


def span(seconds: float) -> str:
    """A signed duration in its two largest units: `−3 min 20 s`."""
    sign, left = ("−" if seconds < 0 else "+"), abs(round(seconds))
    parts: list[str] = []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if left >= size and len(parts) < 2:
            parts.append(f"{left // size} {unit}")
            left %= size
    return sign + " ".join(parts) if parts else "±0 s"


def short(text: str, most: int) -> str:
    """The text with its middle left out when it is longer than `most`."""
    if len(text) <= most:
        return text
    head = (most - 1) // 2
    return f"{text[:head]}…{text[len(text) - (most - 1 - head) :]}"


def label(text: str, most: int = 200) -> str:
    """Untrusted text, shortened and escaped for a drawing."""
    return str(escape(short(printable(text), most)))


def printable(text: str) -> str:
    """Without control characters and marks that turn the writing direction."""
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in text)


def thinned(times: Sequence[float], values: Sequence[float], most: int = 240) -> list[tuple[float, float]]:
    """At most about `most` points that keep every stretch's lowest and highest value, so that spikes stay."""
    points = list(zip(times, values, strict=True))
    if len(points) <= most:
        return points
    size = math.ceil(len(points) / (most / 2))
    kept: list[tuple[float, float]] = []
    for i in range(0, len(points), size):
        stretch = points[i : i + size]
        ends = {min(stretch, key=lambda p: p[1]), max(stretch, key=lambda p: p[1])}
        kept += sorted(ends)
    return kept
