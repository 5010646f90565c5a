"""Configuration and feature flags: which keys change, never to what."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from contracts.change.files import ChangedFile, Line, at
from contracts.finding import Finding, Mark
from contracts.priors import POINTS
from domain.risk import FactorName as F

_NAMES = re.compile(
    r"^\.env(\..+)?$|\.(ini|cfg|conf|properties|env)$|^(application|appsettings|settings|config|values)([._-].*)?\.(ya?ml|json|toml|py)$"
)
_FOLDERS = {"config", "configs", "conf", "settings", "etc"}
_FORMS = {".yaml", ".yml", ".json", ".toml", ".ini", ".conf", ".cfg", ".properties", ".env"}
_KEY = re.compile(r"^\s*(?:export\s+|-\s+)?[\"']?([A-Za-z_][\w.-]{1,80})[\"']?\s*[:=]")
_FLAG = re.compile(r"flag|feature|toggle|enable|rollout|experiment", re.IGNORECASE)
_SECRET = re.compile(r"secret|password|passwd|token|api_?key|private_?key|credential", re.IGNORECASE)
_LIMIT = re.compile(r"timeout|retr(y|ies)|pool|max_?conn|concurren|worker|thread|backoff|deadline", re.IGNORECASE)
_CACHE = re.compile(r"cache|ttl|redis|memcache", re.IGNORECASE)
_KINDS = ((_SECRET, F.SECRETS, None), (_LIMIT, F.CONCURRENCY, None), (_CACHE, F.CACHING, Mark.CACHE))


def is_settings(file: ChangedFile) -> bool:
    """By name or folder."""
    return bool(_NAMES.search(file.name)) or (file.suffix in _FORMS and not _FOLDERS.isdisjoint(file.folders))


def settings_findings(files: Iterable[ChangedFile]) -> Iterator[Finding]:
    """One finding per file, more for keys that are secrets, limits or about caches."""
    for file in files:
        if is_settings(file):
            yield from _one(file)


def _one(file: ChangedFile) -> Iterator[Finding]:
    keys = {**_keys(file.lines_removed), **_keys(file.lines_added)}
    lines = list(keys.values()) or [n for n, _ in (*file.lines_added, *file.lines_removed)][:1]
    flags = [key for key in keys if _FLAG.search(key)]
    said = f"changes {'flags' if flags else 'settings'} {_some(flags or list(keys))}".strip()
    points = POINTS[F.CONFIGURATION] * (1.2 if file.status == "D" else 1.0)
    yield Finding(
        factor=F.CONFIGURATION, points=points, reason=said, where=[at(file, lines)], marks=frozenset({Mark.CONFIG})
    )
    for pattern, factor, mark in _KINDS:
        found = {key: line for key, line in keys.items() if pattern.search(key)}
        if found:
            marks = frozenset({Mark.CONFIG} | ({mark} if mark else set()))
            where = [at(file, list(found.values()))]
            yield Finding(
                factor=factor,
                points=POINTS[factor] * 0.8,
                reason=f"changes {_some(list(found))}",
                where=where,
                marks=marks,
            )


def _keys(lines: Iterable[Line]) -> dict[str, int]:
    return {m[1]: number for number, text in lines if (m := _KEY.match(text))}


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:4]) + (f" and {len(keys) - 4} more" if len(keys) > 4 else "")
