"""Configuration files as text: which keys they have, and changing one without touching the rest.

`.env`-like files (KEY=VALUE, `#` comments, optional `export` and quotes), JSON and YAML (read as nested keys joined with
dots). A file in no known format has one key per non-empty line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from domain.errors import ToolError
from domain.redaction import redact, redact_json

_LINE = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=(.*)$")
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,-]*")


def keys_of(text: str, path: Path) -> dict[str, str]:
    """Key → value as text. A file that does not parse has no keys."""
    match path.suffix:
        case ".json":
            return _nested(_parsed(json.loads, text))
        case ".yaml" | ".yml":
            return _nested(_parsed(yaml.safe_load, text))
        case _:
            rows = (_LINE.match(line) for line in text.splitlines())
            return {row.group(1): _unquoted(row.group(2)) for row in rows if row}


def with_key(text: str, path: Path, key: str, value: str | None) -> str:
    """The text with one key set, or removed when the value is None. Raises ToolError for formats we do not write."""
    if path.suffix == ".json":
        return _json_with(text, key, value)
    if path.suffix in (".yaml", ".yml", ".toml", ".ini"):
        raise ToolError(
            "single keys of this format are not edited",
            expected="a .env or .json file",
            found=path.name,
            hint="use restore_config",
        )
    return _env_with(text, key, value)


def differing(text: str, other: str, path: Path) -> list[str]:
    """Keys whose values differ or which only one of the two has, sorted."""
    left, right = keys_of(text, path), keys_of(other, path)
    return sorted(key for key in left.keys() | right.keys() if left.get(key) != right.get(key))


def is_secret(key: str, value: str) -> bool:
    """Whether the key names a secret or the value looks like one."""
    shown = redact_json({key: value or "x"})
    return bool(shown[key] != (value or "x") or redact(f"{key}={value or 'x'}") != f"{key}={value or 'x'}")


def _env_with(text: str, key: str, value: str | None) -> str:
    lines = text.splitlines(keepends=True)
    new = [] if value is None else [f"{key}={_quoted(value)}\n"]
    out: list[str] = []
    for line in lines:
        row = _LINE.match(line)
        if row is None or row.group(1) != key:
            out.append(line)
        else:
            out += new
            new = []
    if new and out and not out[-1].endswith("\n"):
        out[-1] += "\n"
    return "".join(out + new)


def _json_with(text: str, key: str, value: str | None) -> str:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ToolError("the file is not JSON", expected="a JSON object", found=str(error)) from error
    *parents, last = key.split(".")
    place = document
    for name in parents:
        place = place.setdefault(name, {}) if isinstance(place, dict) else None
    if not isinstance(place, dict):
        raise ToolError("the key does not lead into an object", expected="nested objects", found=key)
    if value is None:
        place.pop(last, None)
    else:
        place[last] = _like(place.get(last), value)
    return json.dumps(document, indent=2) + "\n"


def _like(former: Any, value: str) -> Any:
    """The value in the type the key had."""
    if isinstance(former, bool | int | float):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _nested(document: Any) -> dict[str, str]:
    return dict(_flat("", document)) if isinstance(document, dict) else {}


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{prefix}.{key}" if prefix else str(key), inner)
    else:
        yield prefix, value if isinstance(value, str) else json.dumps(value, default=str)


def _parsed(reader: Any, text: str) -> Any:
    try:
        return reader(text)
    except (ValueError, yaml.YAMLError):
        return None


def _unquoted(raw: str) -> str:
    raw = raw.strip()
    return raw[1:-1] if len(raw) >= 2 and raw[0] == raw[-1] and raw[0] in "'\"" else raw


def _quoted(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    quote = "'" if '"' in value else '"'
    if quote in value:
        raise ToolError("the value cannot be written to this file", expected="not both kinds of quotes", found="both")
    return f"{quote}{value}{quote}"
