"""KEY=value files, read the simplest way."""

from __future__ import annotations

from pathlib import Path


def read_values(path: Path) -> dict[str, str]:
    """Key → value; empty when the file cannot be read. The last of equal keys wins."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    rows = [line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#")]
    return {key.strip(): value.strip().strip('"') for key, _, value in rows}


def read_keys(path: Path) -> set[str]:
    """The keys alone."""
    return set(read_values(path))
