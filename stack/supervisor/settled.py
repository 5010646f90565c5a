"""What an operator decided and a new supervisor must still know."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from stack.home import write_private

VERSIONS = ("v1", "v2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Which version of the api serves, and how traffic is split."""

    version: str = "v1"
    previous: str | None = None
    weights: Mapping[str, float] = field(default_factory=lambda: {"v1": 100, "v2": 0})

    @property
    def split(self) -> bool:
        """Both versions serve."""
        return all(self.weights.get(version, 0) > 0 for version in VERSIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Decisions that outlive the supervisor."""

    release: Release = Release()
    stopped: tuple[str, ...] = ()
    """Processes that stay stopped."""

    def with_stopped(self, name: str, stopped: bool) -> Settled:
        """The same with one process stopped or not."""
        others = tuple(known for known in self.stopped if known != name)
        return replace(self, stopped=(*others, name) if stopped else others)


def read(path: Path) -> Settled:
    """Defaults when the file is missing or unreadable."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
        return Settled(release=Release(**found["release"]), stopped=tuple(found["stopped"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Settled()


def write(path: Path, settled: Settled) -> None:
    """Replace the file."""
    row = asdict(settled)
    row["release"]["weights"] = dict(settled.release.weights)
    write_private(path, json.dumps(row, indent=1))
