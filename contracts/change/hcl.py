"""HCL, Terraform's and OpenTofu's language, through python-hcl2: resources with the lines of what is set in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

TOGETHER = 150_000
"""Characters of one change that are parsed, about a second's work; the rest is read by its lines."""
Name = tuple[str, str]
"""Type and name, as in `aws_db_instance.main`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One `resource` block."""

    line: int
    settings: Mapping[str, tuple[str, int]]
    """Argument → its value as it is written, and its line. Arguments of blocks inside are left out."""


@lru_cache(maxsize=64)
def resources(text: str | None) -> Mapping[Name, Resource] | None:
    """Every resource of a file; nothing for no file, None for what cannot be parsed."""
    if text is None:
        return {}
    import hcl2
    from lark.exceptions import LarkError

    try:
        tree = hcl2.parses(text if text.endswith("\n") else f"{text}\n")
    except (LarkError, RecursionError, ValueError):
        return None
    blocks: Iterator[Any] = (rule for rule in tree.body.children if rule.lark_name() == "block")
    return {name: _resource(block) for block in blocks if (name := _name(block))}


def _name(block: Any) -> Name | None:
    kind, *labels = (str(label.serialize()).strip('"') for label in block.labels)
    return (labels[0], labels[1]) if kind == "resource" and len(labels) == 2 else None


def _resource(block: Any) -> Resource:
    rules = [rule for rule in block.body.children if rule.lark_name() == "attribute"]
    settings = {
        str(rule.identifier.serialize()): (str(rule.expression.serialize()).strip('"'), int(rule.to_lark().meta.line))
        for rule in rules
    }
    return Resource(line=int(block.to_lark().meta.line), settings=settings)
