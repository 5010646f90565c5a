"""Configuration files of the services: KEY=VALUE lines, checked key by key. Pure except for `load`."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

EXIT_MISCONFIGURED = 78
"""EX_CONFIG of sysexits.h."""

_KEY = re.compile(r"[A-Z][A-Z0-9_]*")


class SettingsError(Exception):
    """The configuration cannot be used. One line per complaint."""

    def __init__(self, complaints: Sequence[str]) -> None:
        super().__init__("; ".join(complaints))
        self.complaints = tuple(complaints)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One key: what it must look like, in words and as a check that returns or raises ValueError."""

    key: str
    expected: str
    check: Callable[[str], object]


def text(key: str) -> Setting:
    """Any text that is not empty."""
    return Setting(key=key, expected="text", check=str)


def number(key: str, low: float, high: float) -> Setting:
    """A number within bounds."""

    def check(raw: str) -> float:
        value = float(raw)
        if not low <= value <= high:
            raise ValueError(raw)
        return value

    return Setting(key=key, expected=f"a number from {low:g} to {high:g}", check=check)


def integer(key: str, low: int, high: int) -> Setting:
    """A whole number within bounds."""

    def check(raw: str) -> int:
        value = int(raw)
        if not low <= value <= high:
            raise ValueError(raw)
        return value

    return Setting(key=key, expected=f"a whole number from {low} to {high}", check=check)


def url(key: str, *schemes: str) -> Setting:
    """A URL with a host and one of the schemes."""

    def check(raw: str) -> str:
        scheme, separator, rest = raw.partition("://")
        if scheme not in schemes or not separator or not rest:
            raise ValueError(raw)
        return raw

    return Setting(key=key, expected=f"a URL starting with {' or '.join(schemes)}://", check=check)


def choice(key: str, *words: str) -> Setting:
    """One of a few words."""

    def check(raw: str) -> str:
        if raw not in words:
            raise ValueError(raw)
        return raw

    return Setting(key=key, expected=" or ".join(words), check=check)


def parse(body: str) -> tuple[dict[str, str], list[str]]:
    """(values, complaints). Comments and blank lines are skipped; the last of equal keys wins."""
    values: dict[str, str] = {}
    complaints: list[str] = []
    for number_, line in enumerate(body.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        key, separator, value = stripped.partition("=")
        if not separator or not _KEY.fullmatch(key.strip()):
            complaints.append(f"line {number_} is not KEY=VALUE")
            continue
        values[key.strip()] = value.strip().strip('"')
    return values, complaints


def judge(values: Mapping[str, str], settings: Sequence[Setting]) -> list[str]:
    """Complaints, in the order of the settings: `missing setting X` or what was expected of X."""
    complaints: list[str] = []
    for setting in settings:
        raw = values.get(setting.key, "")
        if not raw:
            complaints.append(f"missing setting {setting.key}")
            continue
        try:
            setting.check(raw)
        except ValueError:
            complaints.append(f"malformed setting {setting.key}: expected {setting.expected}, found {raw!r}")
    return complaints


def load(path: Path, settings: Sequence[Setting]) -> dict[str, str]:
    """Values of a configuration file. Raises SettingsError."""
    try:
        body = path.read_text()
    except OSError as error:
        raise SettingsError([f"missing settings file {path.name}: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise SettingsError([f"malformed settings file {path.name}: not UTF-8 text"]) from error
    values, complaints = parse(body)
    complaints += judge(values, settings)
    if complaints:
        raise SettingsError(complaints)
    return values


def load_or_exit(path: Path, settings: Sequence[Setting], log: logging.Logger) -> dict[str, str]:
    """Values, or one log line per complaint and the end of the process."""
    try:
        return load(path, settings)
    except SettingsError as error:
        for complaint in error.complaints:
            log.critical(complaint, extra={"file": str(path)})
        raise SystemExit(EXIT_MISCONFIGURED) from error


def render(values: Mapping[str, object], *, title: str) -> str:
    """The text of a configuration file."""
    return f"# {title}\n" + "".join(f"{key}={value}\n" for key, value in values.items())


def edit(body: str, changes: Mapping[str, object]) -> str:
    """The text with these keys set; other lines stay as they are, new keys go to the end."""
    left = {key: str(value) for key, value in changes.items()}
    lines: list[str] = []
    for line in body.splitlines():
        key = line.partition("=")[0].strip()
        lines.append(f"{key}={left.pop(key)}" if key in left else line)
    lines += [f"{key}={value}" for key, value in left.items()]
    return "\n".join(lines) + "\n"
