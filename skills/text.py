"""How a procedure is written down, so that a machine's edit is a small diff."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import BaseModel


def written(document: BaseModel | Mapping[str, Any]) -> str:
    """As YAML, in the order of the schema, without what is only a default."""
    if isinstance(document, BaseModel):
        document = document.model_dump(mode="json", exclude_defaults=True, by_alias=True)
    plain = json.loads(json.dumps(document))
    text: str = yaml.safe_dump(plain, sort_keys=False, width=110, allow_unicode=True)
    return text


def difference(before: str, after: str, name: str) -> str:
    """A unified diff that `patch -p1` takes."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{name}", f"b/{name}"
    )
    return "".join(lines)
