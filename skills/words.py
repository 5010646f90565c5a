"""The small words of the schema: names, references to parameters, argument lists."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,59}$")]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
"""As agentskills wants names: lower case, digits, single hyphens; the folder has the same name."""
SERVICE_NAME = r"[a-z][a-z0-9-]{0,62}"
Reference = Annotated[str, Field(pattern=r"^([a-z][a-z0-9-]{0,62}|\$\{[a-z][a-z0-9_]*\})$")]
"""A name of the inventory, or `${parameter}`."""
Argv = Annotated[tuple[Annotated[str, Field(max_length=1024)], ...], Field(min_length=1, max_length=64)]
"""Program and arguments. Nothing reads them as a line."""

_PARAMETER = re.compile(r"\$\{([a-z][a-z0-9_]*)\}")
METACHARACTERS = re.compile(r"[;&|`$<>\n\r\x00]|\.\./")
"""What no argument of a skill needs, and what a shell further down would act on."""


def references(value: Any) -> Iterator[str]:
    """Names of the parameters that a value refers to, however deep."""
    if isinstance(value, str):
        yield from _PARAMETER.findall(value)
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from references(part)


def filled(value: Any, given: Mapping[str, Any]) -> Any:
    """The value with its references replaced: a whole `${x}` keeps the parameter's type, within a text it becomes text.

    Raises KeyError for a parameter that was not given.
    """
    if isinstance(value, str):
        whole = _PARAMETER.fullmatch(value)
        return given[whole[1]] if whole else _PARAMETER.sub(lambda m: str(parsed(given[m[1]])), value)
    if isinstance(value, Mapping):
        return {key: filled(part, given) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [filled(part, given) for part in value]
    return value


def unreferenced(text: str) -> str:
    """The text with a plain letter where a reference stands, so that only what the author wrote is looked at."""
    return _PARAMETER.sub("x", text)


def parsed(value: Any) -> Any:
    """A value as it is written in JSON, so that `true` reads the same everywhere; text stays text."""
    return value if isinstance(value, str) else json.dumps(value, default=str)
