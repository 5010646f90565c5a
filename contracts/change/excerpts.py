"""Changed files from a diff that somebody recorded: unified, or only `@@ path @@` and lines; without object ids or context."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from contracts.change.files import ChangedFile

_FILE = re.compile(r"^@@ ([^@\s][^@]*?) @@$")
_UNIFIED = re.compile(r"^\+\+\+ (?:b/)?(\S.*)$")
_OLD = re.compile(r"^--- (?:a/)?\S")


def files_of(diff: str, names: Sequence[str] = ()) -> list[ChangedFile]:
    """One per path; lines are counted as they stand here. Without any path the first of `names` gets the lines."""
    lines: dict[str, tuple[list[str], list[str]]] = {name: ([], []) for name in names}
    for path, sign, text in _lines(diff, names[0] if names else "unnamed"):
        added, removed = lines.setdefault(path, ([], []))
        (added if sign == "+" else removed).append(text)
    return [_file(path, added, removed) for path, (added, removed) in lines.items()]


def _lines(diff: str, path: str) -> Iterator[tuple[str, str, str]]:
    for line in diff.splitlines():
        if found := _FILE.match(line) or _UNIFIED.match(line):
            path = found[1].strip()
        elif line[:1] in ("+", "-") and not _OLD.match(line):
            yield path, line[0], line[1:]


def _file(path: str, added: list[str], removed: list[str]) -> ChangedFile:
    return ChangedFile(
        path=path,
        old_path=path,
        status="M" if removed else "A",
        added=len(added),
        removed=len(removed),
        lines_added=tuple(enumerate(added, 1)),
        lines_removed=tuple(enumerate(removed, 1)),
        before="\n".join(removed) if removed else None,
        after="\n".join(added),
    )
