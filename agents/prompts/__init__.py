"""Prompts as files, one per role, each with its version; `common` precedes them all."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_VERSION = re.compile(r"<!-- version: (\w+) -->\n")


@cache
def prompt(role: str) -> str:
    """The text for a role, without the version marks."""
    common, own = (files(__name__).joinpath(f"{name}.md").read_text() for name in ("common", role))
    return _VERSION.sub("", common) + "\n" + _VERSION.sub("", own)


@cache
def version(role: str) -> str:
    """Name and version of a role's prompt, for the ledger: `planner/1`."""
    found = _VERSION.search(files(__name__).joinpath(f"{role}.md").read_text())
    return f"{role}/{found.group(1) if found else '0'}"
