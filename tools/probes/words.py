"""Machine text as a person reads it: the message of a JSON log line, the detail of a problem document."""

from __future__ import annotations

import json

MESSAGE_KEYS = ("message", "msg", "event", "detail", "error", "title")
LONGEST = 160


def spoken(text: str) -> str:
    """What a JSON object says in its message, else the text itself; one line, at most `LONGEST` characters."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if isinstance(found, dict):
        text = next((str(found[key]) for key in MESSAGE_KEYS if found.get(key)), "") or _facts(found) or text
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _facts(found: dict[str, object]) -> str:
    """Top-level facts of an object without a message: `status unready, failing db`."""
    rows = []
    for key, value in found.items():
        if isinstance(value, str | int | float | bool):
            rows.append(f"{key} {value}")
        elif isinstance(value, list) and value and all(isinstance(v, str) for v in value):
            rows.append(f"{key} {', '.join(value)}")
    return ", ".join(rows)
