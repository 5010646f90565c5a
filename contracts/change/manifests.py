"""Dependencies from manifests and lock files: what was added, removed, upgraded by a major version."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from contracts.change.documents import documents
from contracts.change.files import ChangedFile, at, line_with
from contracts.draft import Doubt
from contracts.finding import Finding, Mark
from domain.risk import FactorName

Pins = Mapping[str, str]
"""Package → version as it is written; empty text: any."""
_VERSION = re.compile(r"\d+(?:\.\d+)*")
_GO_REQUIRE = re.compile(r"^(?:require\s+)?([\w.\-/]+\.[\w.\-/]+)\s+v(\S+)", re.MULTILINE)
_GEM = re.compile(r"^ {4}([\w\-]+) \(([\d.]+[\w.]*)\)$", re.MULTILINE)
_YARN_ENTRY = re.compile(r'^"?(@?[^@"\s]+)@[^\n]*:\n(?:  [^\n]*\n)*?  version:? "?([^"\n]+)"?', re.MULTILINE)
_POM_ENTRY = re.compile(r"<dependency>(.*?)</dependency>", re.DOTALL)
_POM_FIELD = re.compile(r"<(groupId|artifactId|version)>\s*([^<]*?)\s*</")
_POINTS = {"major": 28.0, "downgrade": 22.0, "removed": 15.0, "added": 12.0, "minor": 6.0}


def dependency_findings(files: Iterable[ChangedFile]) -> Iterator[Finding | Doubt]:
    """One finding per package that changed, a doubt per file that could not be read."""
    for file in files:
        reader = _reader(file)
        if reader is None or file.kind != "text":
            continue
        try:
            before, after = reader(file.before or ""), reader(file.after or "")
        except (ValueError, RecursionError, AttributeError, TypeError, KeyError) as error:
            yield f"{file.path}: not readable as a list of dependencies ({str(error).splitlines()[0][:80]})", 0.05
            continue
        yield from _differences(file, before, after)


def _differences(file: ChangedFile, before: Pins, after: Pins) -> Iterator[Finding]:
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old != new:
            kind, said = _told(name, old, new)
            line = line_with((file.after if new is not None else file.before) or "", name)
            marks = frozenset({Mark.MAJOR_UPGRADE}) if kind == "major" else frozenset[Mark]()
            yield Finding(
                factor=FactorName.DEPENDENCY, points=_POINTS[kind], reason=said, where=[at(file, [line])], marks=marks
            )


def _told(name: str, old: str | None, new: str | None) -> tuple[str, str]:
    if old is None:
        return "added", f"adds {name} {new}".rstrip()
    if new is None:
        return "removed", f"removes {name}"
    before, after = _parsed(old), _parsed(new)
    said = f"{name} {old or 'any'} → {new or 'any'}"
    if before is None or after is None:
        return "minor", said
    if after < before:
        return "downgrade", f"{said}, a step back"
    breaking = after.major > before.major or (before.major == after.major == 0 and after.minor > before.minor)
    return ("major", f"{said}, a major version") if breaking else ("minor", said)


def _parsed(text: str) -> Version | None:
    found = _VERSION.search(text)
    try:
        return Version(found[0]) if found else None
    except InvalidVersion:
        return None


def _reader(file: ChangedFile) -> Callable[[str], Pins] | None:
    if re.match(r"^(requirements|constraints).*\.(txt|in)$", file.name):
        return _requirements
    return _READERS.get(file.name)


def _requirements(text: str) -> Pins:
    rows = (re.split(r"\s#|\s--", line.strip(), maxsplit=1)[0].rstrip("\\ ") for line in text.splitlines())
    return dict(_requirement(row) for row in rows if row and not row.startswith(("#", "-")))


def _requirement(row: str) -> tuple[str, str]:
    try:
        found = Requirement(row)
    except InvalidRequirement:
        return row[:80], ""
    return found.name.lower(), str(found.specifier) or (found.url or "")


def _pyproject(text: str) -> Pins:
    document: dict[str, Any] = tomllib.loads(text)
    project: dict[str, Any] = document.get("project", {})
    rows = [
        *project.get("dependencies", []),
        *(r for rows in project.get("optional-dependencies", {}).values() for r in rows),
    ]
    poetry: dict[str, Any] = document.get("tool", {}).get("poetry", {}).get("dependencies", {})
    return dict(_requirement(str(r)) for r in rows) | {n.lower(): _said(v) for n, v in poetry.items()}


def _package_json(text: str) -> Pins:
    document: dict[str, Any] = json.loads(text or "{}")
    return {
        n: str(v)
        for key in ("dependencies", "optionalDependencies", "peerDependencies")
        for n, v in document.get(key, {}).items()
    }


def _package_lock(text: str) -> Pins:
    document: dict[str, Any] = json.loads(text or "{}")
    packages: dict[str, Any] = document.get("packages") or document.get("dependencies", {})
    return {
        n.split("node_modules/")[-1]: str(v.get("version", "")) for n, v in packages.items() if n and not v.get("dev")
    }


def _yarn(text: str) -> Pins:
    """Both formats, classic and berry; several versions of one package stand together."""
    if text.strip() and not _YARN_ENTRY.search(text):
        raise ValueError("no entry with a version")
    found: dict[str, list[str]] = {}
    for name, version in _YARN_ENTRY.findall(text.replace("\r\n", "\n")):
        if version != "0.0.0-use.local":
            found.setdefault(name, []).append(version.strip())
    return {name: ", ".join(sorted(versions)) for name, versions in found.items()}


def _composer(text: str) -> Pins:
    rows: list[dict[str, Any]] = json.loads(text or "{}").get("packages", [])
    return {str(row["name"]): str(row.get("version", "")) for row in rows}


def _pom(text: str) -> Pins:
    """Dependencies as they are written; a version that stands elsewhere is empty here."""
    rows = (dict(_POM_FIELD.findall(entry)) for entry in _POM_ENTRY.findall(text))
    return {f"{row.get('groupId', '')}:{row.get('artifactId', '')}": row.get("version", "") for row in rows}


def _toml_lock(text: str) -> Pins:
    rows: list[dict[str, Any]] = tomllib.loads(text).get("package", [])
    return {str(row["name"]): str(row.get("version", "")) for row in rows}


def _cargo(text: str) -> Pins:
    return {name: _said(value) for name, value in tomllib.loads(text).get("dependencies", {}).items()}


def _pipfile_lock(text: str) -> Pins:
    return {name: _said(value) for name, value in json.loads(text or "{}").get("default", {}).items()}


def _pnpm(text: str) -> Pins:
    document: dict[str, Any] = next(iter(documents(text)), {})
    return {name.rpartition("@")[0].strip("/"): name.rpartition("@")[2] for name in document.get("packages", {})}


def _go(text: str) -> Pins:
    return dict(_GO_REQUIRE.findall(re.sub(r"^\s+", "", text, flags=re.MULTILINE)))


def _gems(text: str) -> Pins:
    return dict(_GEM.findall(text))


def _said(value: Any) -> str:
    return str(value.get("version", "")) if isinstance(value, dict) else str(value)


_READERS: Mapping[str, Callable[[str], Pins]] = {
    "pyproject.toml": _pyproject,
    "package.json": _package_json,
    "package-lock.json": _package_lock,
    "uv.lock": _toml_lock,
    "poetry.lock": _toml_lock,
    "cargo.lock": _toml_lock,
    "cargo.toml": _cargo,
    "pipfile.lock": _pipfile_lock,
    "pnpm-lock.yaml": _pnpm,
    "yarn.lock": _yarn,
    "composer.lock": _composer,
    "pom.xml": _pom,
    "go.mod": _go,
    "gemfile.lock": _gems,
}


def is_manifest(file: ChangedFile) -> bool:
    """Whether it lists dependencies."""
    return _reader(file) is not None
