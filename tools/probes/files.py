"""config_diff, disk_usage and warm_file: what lies on disk, compared with what should."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from domain.bundle import Reading
from domain.errors import ToolError
from tools.config_text import keys_of
from tools.config_versions import version_of
from tools.directory import matches, removable, scan, usage
from tools.file import read_text
from tools.probes.probe import Probe, Shared, bound, reading
from tools.target import Target

FULL = 0.95
LARGEST = 10


async def _config(target: Target, shared: Shared) -> list[Reading]:
    path = target.path(target.binding("config"))
    text, changed_at = await asyncio.to_thread(_current, path)
    good = await target.versions.latest_good(target.name)
    former = await target.versions.get(target.name, good.version) if good else None
    if good is None or former is None:
        gap = "no configuration is known under which the service was healthy"
        return [
            reading("config_diff", target, ok=None, text=gap, gap=gap, changed_at=changed_at, version=version_of(text))
        ]
    now, then = keys_of(text, path), keys_of(former, path)
    missing, added = sorted(then.keys() - now.keys()), sorted(now.keys() - then.keys())
    # A key without a value is as good as gone.
    emptied = sorted(k for k in now.keys() & then.keys() if then[k] and not now[k])
    changed = sorted(k for k in now.keys() & then.keys() if now[k] != then[k] and k not in emptied)
    differs = version_of(text) != good.version
    return [
        reading(
            "config_diff",
            target,
            ok=not differs,
            text=_says(differs, missing + emptied, added, changed),
            changed=differs,
            keys_missing=missing + emptied,
            keys_added=added,
            keys_changed=changed,
            changed_at=changed_at,
            last_good_at=good.good_at or good.at,
            version=version_of(text),
            last_good=good.version,
        )
    ]


def _current(path: Path) -> tuple[str, float | None]:
    """Text and time of the last change; a missing file is an empty one."""
    try:
        return read_text(path), path.stat().st_mtime
    except ToolError as error:
        if error.code == "tool.no_file":
            return "", None
        raise


def _says(differs: bool, missing: list[str], added: list[str], changed: list[str]) -> str:
    if not differs:
        return "the configuration is the last good one"
    parts = [f"{word} {', '.join(keys[:10])}" for word, keys in _worded(missing, added, changed) if keys]
    return "the configuration differs from the last good one: " + ("; ".join(parts) or "only comments or order")


def _worded(missing: list[str], added: list[str], changed: list[str]) -> list[tuple[str, list[str]]]:
    return [("missing", missing), ("added", added), ("changed", changed)]


async def _disk(target: Target, shared: Shared) -> list[Reading]:
    return [await asyncio.to_thread(_disk_reading, target)]


def _disk_reading(target: Target) -> Reading:
    binding = target.binding("disk")
    directory = target.path(binding)
    scratch, keep = list(binding.options.get("scratch") or []), list(binding.options.get("keep") or [])
    files = scan(directory)
    room = usage(directory, quota=int(binding.options.get("quota_bytes") or 0), files=files)
    largest = [
        {"path": f.path, "bytes": f.bytes, "scratch": removable(f.path, scratch=scratch, keep=keep)}
        for f in files[:LARGEST]
    ]
    return reading(
        "disk_usage",
        target,
        ok=room.used_ratio < FULL,
        text=f"{room.used_ratio:.0%} of {room.total} bytes in use, {room.free} free",
        path=str(directory),
        total_bytes=room.total,
        free_bytes=room.free,
        used_ratio=round(room.used_ratio, 4),
        largest=largest,
    )


async def _warm(target: Target, shared: Shared) -> list[Reading]:
    return [await asyncio.to_thread(_warm_reading, target)]


def _warm_reading(target: Target) -> Reading:
    binding = target.binding("warm_cache")
    directory = target.path(binding)
    patterns = list(binding.options.get("files") or [])
    found = [f for f in scan(directory) if matches(f.path, patterns)]
    looked = [(f.path, f.bytes, _flaw(directory / f.path)) for f in found]
    worst: tuple[str, int, str] | None = next((row for row in looked if row[2]), looked[0] if looked else None)
    if worst is None:
        where = str(directory / patterns[0]) if patterns else str(directory)
        text = "there is no local warm-start file; it is built at the next start"
        return reading("warm_file", target, ok=True, text=text, path=where, exists=False, valid=None, bytes=0, error="")
    name, size, flaw = worst
    return reading(
        "warm_file",
        target,
        ok=not flaw,
        text=f"{name}: {flaw or 'readable'}",
        path=str(directory / name),
        exists=True,
        valid=not flaw,
        bytes=size,
        error=flaw,
    )


def _flaw(path: Path) -> str:
    """Why the file cannot be read as what its name says; empty when it can."""
    try:
        body = read_text(path, limit=20_000_000)
        if path.suffix == ".json":
            json.loads(body)
        return "" if body else "empty"
    except ValueError as error:
        return f"not JSON: {_short(error)}"
    except ToolError as error:
        return error.found or error.message


def _short(error: Any) -> str:
    return str(error).splitlines()[0][:160]


CONFIG_DIFF = Probe(name="config_diff", applies=bound("config"), read=_config)
DISK_USAGE = Probe(name="disk_usage", applies=bound("disk"), read=_disk)
WARM_FILE = Probe(name="warm_file", applies=bound("warm_cache"), read=_warm)
