"""YAML from strangers: bounded, without anchors, tags or duplicate keys, and with the line of whatever is wrong.

A parser that only refuses Python objects still lets a kilobyte of aliases grow to gigabytes and lets the second of two
equal keys win in silence. Here the events are looked at before anything is built.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any

import yaml

from skills.problem import SkillError

LARGEST_BYTES = 128 * 1024
"""A procedure of this size is no procedure any more."""
HIDING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Control and direction characters: a terminal or an editor would show something else than what stands there."""
DEEPEST = 16
MOST_NODES = 4000


def read_text(file: Path) -> str:
    """A regular file's text. Raises SkillError: missing, a symbolic link, too large, or not UTF-8."""
    try:
        found = os.lstat(file)
    except OSError as error:
        raise _wrong(f"{file} cannot be read", "a file", error.strerror or str(error), "create it") from error
    if not stat.S_ISREG(found.st_mode):
        kind = "a symbolic link" if stat.S_ISLNK(found.st_mode) else "something else"
        raise _wrong(f"{file} is no regular file", "a regular file", kind, "put the file itself there")
    if found.st_size > LARGEST_BYTES:
        fix = "a skill is one short procedure; split it"
        raise _wrong(f"{file} is too large", f"at most {LARGEST_BYTES} bytes", f"{found.st_size} bytes", fix)
    try:
        text = _whole(file).decode("utf-8")
    except UnicodeDecodeError as error:
        raise _wrong(f"{file} is not text", "UTF-8", f"byte {error.start} is not", "save it as UTF-8") from error
    if found_at := HIDING.search(text):
        line = text.count("\n", 0, found_at.start()) + 1
        raise _hidden(str(file), line, found_at[0])
    return text


def _whole(file: Path) -> bytes:
    """The bytes of the file that was looked at: no link is followed, no more is read than allowed."""
    handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as opened:
        return opened.read(LARGEST_BYTES + 1)


def parse(text: str, origin: str) -> dict[str, Any]:
    """The mapping that a text holds. Raises SkillError that names the line."""
    try:
        _look(text, origin)
        found = _Unique(text).get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise _at(origin, line, "is not YAML", "valid YAML", error.problem or "nothing", "correct this line") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _at(origin, 1, "is not YAML", "valid YAML", str(error)[:120], "correct the file") from error
    if not isinstance(found, dict):
        raise _at(origin, 1, "holds no mapping", "`name: …` and so on", type(found).__name__, "see `skill schema`")
    return found


def _look(text: str, origin: str) -> None:
    depth = nodes = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _at(origin, line, "uses an anchor or alias", "plain values", "& or *", "write the value out")
        if isinstance(event, yaml.NodeEvent):
            nodes += 1
            tag = getattr(event, "tag", None)
            if tag not in (None, "!"):
                raise _at(origin, line, "uses a tag", "plain values", str(tag)[:60], "remove the tag")
            if isinstance(event, yaml.ScalarEvent) and (found := HIDING.search(event.value)):
                raise _hidden(origin, line, found[0])
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST or nodes > MOST_NODES:
            limit = f"at most {DEEPEST} levels and {MOST_NODES} values"
            raise _at(origin, line, "is too deep or too long", limit, "more", "split the skill")


class _Unique(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} is no text", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} stands twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _hidden(origin: str, line: int, found: str) -> SkillError:
    name = {"\r": "a carriage return", "\ufeff": "a byte order mark"}.get(found, f"U+{ord(found):04X}")
    fix = (
        "save it as plain UTF-8 with line ends of one character (LF)" if found in "\r\ufeff" else "remove the character"
    )
    return _at(origin, line, "holds a character that shows as something else", "letters, marks and spaces", name, fix)


def _at(origin: str, line: int, what: str, expected: str, found: str, hint: str) -> SkillError:
    return _wrong(f"{origin}:{line}: {what}", expected, found, hint)


def _wrong(message: str, expected: str, found: str, hint: str) -> SkillError:
    return SkillError(message, expected=expected, found=found, hint=hint, code="skill.unreadable")
