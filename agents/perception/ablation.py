"""What each source of evidence and each method buys: the same cases without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from domain.bundle import Bundle

SOURCES: dict[str, Callable[[Bundle], Bundle]] = {
    "metrics": lambda b: replace(b, series=()),
    "logs": lambda b: replace(b, logs=()),
    "spans": lambda b: replace(b, spans=()),
    "extracted alerts": lambda b: replace(b, signals=()),
    "changes": lambda b: replace(b, changes=()),
    "call graph": lambda b: replace(b, edges=()),
    "platform state": lambda b: replace(b, platform=(), readings=()),
    "alert": lambda b: replace(b, alert=None),
}
"""Source → the bundle without it."""
METHODS = (
    "time", "patterns", "latency", "errors", "saturation", "silence", "alerts", "rules", "change attribution", "history",
)  # fmt: skip
"""Methods that `diagnose(…, without={…})` can leave out."""


def holds(bundle: Bundle, source: str) -> bool:
    """Does the bundle hold anything of that source?"""
    return SOURCES[source](bundle) != bundle
