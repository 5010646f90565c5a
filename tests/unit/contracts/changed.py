"""Changed files as the detectors get them, made from both sides' text."""

from __future__ import annotations

import difflib

from contracts.change.files import ChangedFile, Line


def changed(path: str, before: str | None, after: str | None, status: str = "") -> ChangedFile:
    """A file with its lines compared; None: it is not there on that side."""
    then, now = (before or "").splitlines(), (after or "").splitlines()
    removed: list[Line] = []
    added: list[Line] = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, then, now, autojunk=False).get_opcodes():
        if tag != "equal":
            removed += [(i + 1, then[i]) for i in range(a, b)]
            added += [(i + 1, now[i]) for i in range(c, d)]
    return ChangedFile(
        path=path,
        old_path=path,
        status=status or ("A" if before is None else "D" if after is None else "M"),
        added=len(added),
        removed=len(removed),
        lines_added=added,
        lines_removed=removed,
        before=before,
        after=after,
    )
