"""YAML and JSON from strangers: read without running anything, and never larger than it looks."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_ALIAS = re.compile(r"(?:^|[\s\[,])\*[\w-]+", re.MULTILINE)
_MOST_ALIASES = 30
"""Aliases multiply; with thirty a document can grow some ten thousand times, not a billion times."""


class DocumentError(ValueError):
    """The text is no document that may be read."""


def documents(text: str | None) -> list[Any]:
    """Every document of a YAML or JSON text. Raises DocumentError in a few words."""
    if not text or not text.strip():
        return []
    if len(_ALIAS.findall(text)) > _MOST_ALIASES:
        raise DocumentError(f"more than {_MOST_ALIASES} aliases")
    try:
        if text.lstrip().startswith("{"):
            return [json.loads(text)]
        return list(yaml.load_all(text, Loader=_LOADER))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DocumentError(" ".join(str(error).split())[:120]) from error
