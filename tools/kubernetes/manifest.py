"""An object as a text that can be put back: what its owner wrote, without what the server adds. Pure."""

from __future__ import annotations

import json
from typing import Any

from tools.config_versions import version_of

Object = dict[str, Any]

ABSENT = "absent"
"""Version of an object that is not there; going back to it deletes the object."""

_SERVED = ("status",)
_META = ("name", "labels", "annotations")


def manifest_of(thing: Object) -> str:
    """Canonical JSON of an object's own part."""
    meta = thing.get("metadata") or {}
    own = {key: value for key, value in thing.items() if key not in _SERVED}
    own["metadata"] = {key: meta[key] for key in _META if meta.get(key)}
    return json.dumps(own, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def version_in(thing: Object | None) -> str:
    """Twelve hex digits that name the object's own part, or `absent`."""
    return version_of(manifest_of(thing)) if thing is not None else ABSENT


def shelf(target: str, kind: str, name: str) -> str:
    """Under which name the versions of an object are kept."""
    return f"{target}-{kind.lower()}-{name.replace('.', '-')}"
