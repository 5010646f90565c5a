"""Folds without leakage: incidents that overlap in time on the same system, or are copies of each other, stay together."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from agents.perception.windows import find_windows
from domain.bundle import Bundle


def folds_of(bundles: Sequence[Bundle], folds: int) -> list[int]:
    """The fold of every bundle, the same in every run."""
    return [int(sha256(_group(b).encode()).hexdigest(), 16) % folds for b in bundles]


def _group(bundle: Bundle) -> str:
    """What may not be split: the same trouble at the same time, or the very same alerts."""
    if bundle.onset is None and bundle.abnormal is None and not bundle.series:
        content = sorted(f"{s.service}{s.kind}{s.name}{s.direction}{s.peer}{s.text}" for s in bundle.signals)
        return f"{bundle.system}:{content or bundle.id}"
    return f"{bundle.system}:{find_windows(bundle).abnormal}"
