"""Terraform and OpenTofu, read by their lines: what is taken away, what loses its protection, what is opened or made smaller."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from contracts.change.files import ChangedFile, Line, at
from contracts.change.replacing import STATEFUL, replaced
from contracts.finding import Finding, Mark
from domain.risk import FactorName as F

_BLOCK = re.compile(r"^\s*(resource|module|data)\s+\"([\w-]+)\"(?:\s+\"([\w-]+)\")?")
_MOVED = re.compile(r"^\s*from\s*=\s*([\w.-]+)")
_RIGHTS = re.compile(r"iam|policy|role|security_group|firewall")
_COMMENT = re.compile(r"^\s*(#|//)")
_PROTECTED = re.compile(r"^\s*(prevent_destroy|(?:enable_)?deletion_protection(?:_enabled)?)\s*=\s*true\b")
_SAID: tuple[tuple[re.Pattern[str], F, float, str], ...] = (
    (
        re.compile(r"^\s*(prevent_destroy|(?:enable_)?deletion_protection(?:_enabled)?)\s*=\s*false\b"),
        F.STORAGE,
        45,
        "{} is off",
    ),
    (re.compile(r"^\s*(force_destroy|force_delete|skip_final_snapshot)\s*=\s*true\b"), F.STORAGE, 40, "{} is on"),
    (
        re.compile(r"^\s*(backup_retention_(?:period|days)|snapshot_retention_limit)\s*=\s*0\b"),
        F.STORAGE,
        45,
        "{} is 0: no backups",
    ),
    (re.compile(r"^\s*(\w*encrypt\w*)\s*=\s*false\b"), F.SECRETS, 40, "{} is off"),
    (re.compile(r"^\s*(publicly_accessible|\w*public_access\w*)\s*=\s*true\b"), F.PERMISSIONS, 40, "{} is on"),
    (re.compile(r"(0\.0\.0\.0/0|::/0)"), F.PERMISSIONS, 40, "opens it to {}"),
    (re.compile(r"^\s*(Action|actions|Resource|resources)\s*=\s*\[?\s*\"\*\""), F.PERMISSIONS, 45, "{} is everything"),
    (re.compile(r"^\s*(engine_version|kubernetes_version|runtime)\s*="), F.DEPENDENCY, 28, "{} changes"),
)
"""What an added line says: (pattern, factor, points, words about the first group)."""
_AMOUNT = re.compile(
    r"^\s*(desired_(?:capacity|count|size)|(?:min|max)_(?:size|capacity|replicas?|count)|\w*node_count|num_\w+|replicas?"
    r"|\w*replica_count|count|allocated_storage|memory(?:_size)?|cpu)\s*=\s*(\d+)\s*$"
)


def is_terraform(file: ChangedFile) -> bool:
    """By its name."""
    return file.suffix in (".tf", ".tfvars") or file.name.endswith(".tf.json")


def terraform_findings(files: Sequence[ChangedFile]) -> Iterator[Finding]:
    """What is taken away is worse than what is added; a block that only moved, also to a file beside, is neither."""
    added: dict[PurePosixPath, set[tuple[str, ...]]] = {}
    for file in files:
        added.setdefault(PurePosixPath(file.path).parent, set()).update(_blocks(file.lines_added))
    for file in files:
        yield from _file(file, added[PurePosixPath(file.path).parent])


def _file(file: ChangedFile, added: set[tuple[str, ...]]) -> Iterator[Finding]:
    removed = _blocks(file.lines_removed)
    kept = {m[1] for _, text in file.lines_added if (m := _MOVED.match(text))}
    for block, line in removed.items():
        if block not in added and ".".join(block[1:]) not in kept:
            yield _gone(file, block, line)
    yield from replaced(file)
    changed = [text for _, text in (*file.lines_added, *file.lines_removed) if not _COMMENT.match(text)]
    yield _about(file, F.INFRASTRUCTURE, 30, "changes infrastructure", _first(file))
    if any(_RIGHTS.search(text) for text in changed):
        yield _about(file, F.PERMISSIONS, 30, "changes rights or firewall rules", _first(file))
    yield from _settings(file)
    yield from _unprotected(file)
    yield from _smaller(file)


def _settings(file: ChangedFile) -> Iterator[Finding]:
    for number, text in file.lines_added:
        for pattern, factor, points, words in _SAID if not _COMMENT.match(text) else ():
            if found := pattern.search(text):
                yield _about(file, factor, points, f"{_where(file.after, number)}{words.format(found[1])}", number)


def _unprotected(file: ChangedFile) -> Iterator[Finding]:
    """Protections whose line is gone, in a block that stays."""
    still = [m[1] for _, text in file.lines_added if (m := re.match(r"^\s*(\w+)\s*=", text))]
    for number, text in file.lines_removed:
        if (found := _PROTECTED.match(text)) and found[1] not in still:
            said = f"{_where(file.before, number)}{found[1]} is no longer set"
            yield _about(file, F.STORAGE, 40, said, number)


def _smaller(file: ChangedFile) -> Iterator[Finding]:
    then, now = _amounts(file.before, file.lines_removed), _amounts(file.after, file.lines_added)
    for key in then.keys() & now.keys():
        (_, old), (number, new) = then[key], now[key]
        if new < old:
            yield _about(file, F.TRAFFIC, 30 if new else 40, f"{key[0]}{key[1]} {old} → {new}", number)


def _amounts(text: str | None, lines: Sequence[Line]) -> Mapping[tuple[str, str], tuple[int, int]]:
    return {
        (_where(text, number), found[1]): (number, int(found[2][:12]))
        for number, line in lines
        if (found := _AMOUNT.match(line))
    }


def _where(text: str | None, number: int) -> str:
    """The block around a line: blocks begin at the left margin."""
    for line in reversed((text or "").splitlines()[:number]):
        if not line[:1].isspace() and (found := _BLOCK.match(line)):
            return f"{'.'.join(filter(None, found.groups()[1:]))}: "
    return ""


def _blocks(lines: Sequence[Line]) -> dict[tuple[str, ...], int]:
    return {tuple(filter(None, m.groups())): n for n, line in lines if (m := _BLOCK.match(line))}


def _gone(file: ChangedFile, block: tuple[str, ...], line: int) -> Finding:
    stateful = bool(STATEFUL.search(block[1]))
    marks = {Mark.DROPS_DATA} if stateful and block[0] == "resource" else set[Mark]()
    return _about(file, F.INFRASTRUCTURE, 60 if stateful else 40, f"removes {' '.join(block)}", line, *marks)


def _about(file: ChangedFile, factor: F, points: float, said: str, line: int, *marks: Mark) -> Finding:
    return Finding(
        factor=factor,
        points=points,
        reason=said,
        where=[at(file, [line])],
        marks=frozenset({Mark.INFRASTRUCTURE, *marks}),
    )


def _first(file: ChangedFile) -> int:
    lines = file.lines_added or file.lines_removed
    return lines[0][0] if lines else 1
