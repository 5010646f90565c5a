"""Where in a YAML text a field stands, so that an error can name its line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml


def line_of(text: str, path: Sequence[str]) -> int:
    """Line (1-based) of the node at `path`, or of its nearest parent that is written there."""
    node = yaml.compose(text)
    line = 1
    for part in path:
        found = _child(node, part)
        if found is None:
            continue  # names of types that pydantic puts between the fields
        line, node = found
    return line


def _child(node: Any, part: str) -> tuple[int, Any] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == part:
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
        child = node.value[int(part)]
        return child.start_mark.line + 1, child
    return None
