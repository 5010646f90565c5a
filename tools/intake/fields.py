"""Reading fields of a delivery: strict about shape, honest about what is missing, and nothing is ever formatted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from domain.errors import IntakeError
from domain.severity import Severity

MAX_BYTES = 8 * 1024 * 1024
MAX_TEXT = 8000
MAX_ITEMS = 5000
"""Alerts of one delivery that are looked at; a sender that writes more is refused."""
_MS, _US, _NS = 1e11, 1e14, 1e17

_SEVERITIES = {
    Severity.CRITICAL: ("critical", "crit", "fatal", "emergency", "page", "disaster", "p1", "sev1", "sev-1"),
    Severity.HIGH: ("high", "major", "error", "err", "p2", "sev2", "sev-2"),
    Severity.WARNING: ("warning", "warn", "minor", "medium", "moderate", "p3", "sev3", "sev-3"),
    Severity.INFO: ("info", "information", "informational", "low", "notice", "none", "debug", "ok", "p4", "p5"),
}
_BY_WORD = {word: severity for severity, words in _SEVERITIES.items() for word in words}


def malformed(where: str, expected: str, found: object) -> IntakeError:
    """The error for a delivery that is not what its source promises."""
    shown = found if isinstance(found, str) else _kind(found)
    return IntakeError(f"the delivery is malformed at {where}", expected=expected, found=shown[:200])


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "a truth value", int: "a number", float: "a number"}
    return "nothing" if value is None else names.get(type(value), type(value).__name__)


def parse(body: bytes) -> Any:
    """The JSON of a body, integers exact. Raises IntakeError."""
    if len(body) > MAX_BYTES:
        raise malformed("the body", f"at most {MAX_BYTES} bytes", f"{len(body)} bytes")
    if not body.strip():
        raise malformed("the body", "JSON", "an empty body")
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise malformed("the body", "UTF-8 text", f"byte {error.start} is not UTF-8") from error
    except RecursionError as error:
        raise malformed("the body", "JSON of reasonable depth", "too many levels") from error
    except ValueError as error:
        raise malformed("the body", "valid JSON", str(error)) from error


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def mapping(value: object, where: str) -> dict[str, Any]:
    """An object; absent is empty."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise malformed(where, "an object", value)
    return value


def items(value: object, where: str) -> list[dict[str, Any]]:
    """A list of objects with at least one in it."""
    if not isinstance(value, list):
        raise malformed(where, "a list", value)
    if not 0 < len(value) <= MAX_ITEMS:
        raise malformed(where, f"1 to {MAX_ITEMS} entries", f"{len(value)} entries")
    return [_object(item, f"{where}[{position}]") for position, item in enumerate(value)]


def _object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise malformed(where, "an object", value)
    return value


def text(value: object, where: str) -> str:
    """Text of a scalar: integers keep all their digits, absent is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return clean(str(value))
    raise malformed(where, "text", value)


def required(value: object, where: str) -> str:
    """Text that must be there. Raises IntakeError."""
    found = text(value, where)
    if not found:
        raise malformed(where, "text", "nothing")
    return found


def clean(value: str) -> str:
    """Text that can be stored anywhere: no lone surrogates, no NUL, bounded."""
    return value[:MAX_TEXT].encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


def texts(value: object, where: str) -> dict[str, str]:
    """A flat mapping of text (labels, annotations); nested values are kept as their JSON."""
    found = {}
    for key, one in mapping(value, where).items():
        nested = isinstance(one, dict | list)
        found[clean(key)] = clean(json.dumps(one, ensure_ascii=False)) if nested else text(one, f"{where}.{key}")
    return found


def values(value: object, where: str) -> dict[str, float | int | str | None]:
    """A flat mapping of numbers and text; numbers stay what they are."""
    found: dict[str, float | int | str | None] = {}
    for key, one in mapping(value, where).items():
        if one is None or (isinstance(one, int | float) and not isinstance(one, bool)):
            found[clean(key)] = one
        else:
            found[clean(key)] = texts({"v": one}, f"{where}.{key}")["v"]
    return found


def time(value: object, where: str) -> datetime | None:
    """An aware UTC time of ISO 8601 text (any fraction, any offset) or an epoch number (s, ms, µs, ns by magnitude).

    Absent, empty, zero and year 1 (Go's zero time) mean "not known" and give None.
    """
    if value is None or value == "" or value == 0:
        return None
    try:
        if isinstance(value, bool):
            raise ValueError
        if isinstance(value, int | float):
            seconds = float(value)
            unit = 1e9 if seconds >= _NS else 1e6 if seconds >= _US else 1e3 if seconds >= _MS else 1.0
            return datetime.fromtimestamp(seconds / unit, UTC)
        if isinstance(value, str):
            if value.startswith("0001-01-01"):
                return None
            moment = datetime.fromisoformat(value.strip())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise malformed(where, "a time such as 2026-01-31T12:00:00Z", str(value)[:60]) from error
    raise malformed(where, "a time such as 2026-01-31T12:00:00Z", value)


def severity(raw: str) -> Severity:
    """Our severity for a sender's word; a word nobody knows stays unknown."""
    return _BY_WORD.get(raw.strip().lower(), Severity.UNKNOWN)


def first(found: Mapping[str, str], *names: str) -> str:
    """The first of these that is not empty."""
    return next((found[name] for name in names if found.get(name)), "")


def links(found: Mapping[str, str]) -> dict[str, str]:
    """Only what a browser may follow: absolute http and https URLs."""
    return {name: url for name, url in found.items() if _followable(url)}


def _followable(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc)
