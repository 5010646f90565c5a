"""The changed files of a commit range, bounded in size: what is not read is named."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from unidiff.errors import UnidiffParseError
from unidiff.patch import PatchedFile, PatchSet

from contracts.change.files import ChangedFile, Kind, Line
from contracts.draft import Doubt
from domain.errors import ConfigError
from tools.repository import Changes, Entry

MOST_FILES = 20_000
MOST_BYTES = 1_000_000
"""Larger files are named, not read."""
MOST_TOGETHER = 64_000_000
LONGEST_LINE = 4_000
"""Characters of one line that are looked at; minified files have lines of megabytes."""
_WHOLE = {
    ".sql",
    ".py",
    ".json",
    ".yaml",
    ".yml",
    ".toml",
    ".txt",
    ".lock",
    ".mod",
    ".proto",
    ".graphql",
    ".tf",
    ".cfg",
    ".in",
}
_WHOLE_NAMES = {"gemfile.lock", "pipfile.lock", "dockerfile", "requirements.in", "pom.xml"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What lies between two commits."""

    base: str
    head: str
    files: tuple[ChangedFile, ...]
    doubts: tuple[Doubt, ...] = ()


def ends(text: str) -> tuple[str, str]:
    """`A..B` or `A...B`. Raises ConfigError."""
    parts = re.split(r"\.{2,3}", text)
    if len(parts) != 2 or not all(parts) or any(part.startswith("-") for part in parts):
        raise ConfigError(f"{text!r} is no range of commits", expected="BASE..HEAD, e.g. main..feature", found=text)
    return parts[0], parts[1]


async def read_range(repository: Changes, text: str) -> Range:
    """What HEAD adds since it left BASE (their merge base). Raises ConfigError, ToolError."""
    since, until = [await repository.commit(name) for name in ends(text)]
    base = await repository.merge_base(since, until)
    doubts: list[Doubt] = [] if base else [("the two commits share no history here: compared directly", 0.1)]
    base = base or since
    entries = await repository.entries(base, until)
    if len(entries) > MOST_FILES:
        doubts.append((f"{len(entries) - MOST_FILES:,} of {len(entries):,} files were not looked at", 0.3))
        entries = entries[:MOST_FILES]
    sizes = await repository.sizes(o for e in entries for o in (e.old, e.new))
    readable, large = _readable(entries, sizes)
    patch, odd = _patched(await repository.patch(base, until, readable))
    whole = await repository.contents(o for e in readable if _is_wanted(e.path) for o in (e.old, e.new))
    files = [_file(e, patch.get(e.path), whole, large) for e in entries]
    odd = odd or [*_unshown(readable, patch), *_hardly_read(files)]
    return Range(base=base, head=until, files=tuple(files), doubts=(*doubts, *odd, *_unread(files)))


def _unshown(readable: Iterable[Entry], patch: Mapping[str, PatchedFile]) -> list[Doubt]:
    """Files whose lines changed and whose diff nobody gave."""
    names = [e.path for e in readable if e.added + e.removed and e.path not in patch]
    return [(f"{_some(names)}: the diff was not given, so the lines were not read", 0.1)] if names else []


def _hardly_read(files: Sequence[ChangedFile]) -> list[Doubt]:
    """Text that is none, and lines of which only the beginning was looked at."""
    texts = [(f.path, text) for f in files for _, text in (*f.lines_added, *f.lines_removed)]
    odd = list(dict.fromkeys(path for path, text in texts if "\ufffd" in text))
    long = list(dict.fromkeys(path for path, text in texts if len(text) >= LONGEST_LINE))
    said = [(odd, "not UTF-8, read as far as it is"), (long, f"lines beyond {LONGEST_LINE:,} characters were cut")]
    return [(f"{_some(names)}: {words}", 0.02) for names, words in said if names]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _readable(entries: Sequence[Entry], sizes: Mapping[str, int]) -> tuple[list[Entry], set[str]]:
    """Those whose both sides fit, until together they are too much; and the paths that do not."""
    kept: list[Entry] = []
    large: set[str] = set()
    together = 0
    for entry in entries:
        size = max(sizes.get(entry.old, 0), sizes.get(entry.new, 0))
        if entry.binary or entry.submodule or entry.symlink:
            continue
        if size > MOST_BYTES or together + size > MOST_TOGETHER:
            large.add(entry.path)
            continue
        together += size
        kept.append(entry)
    return kept, large


def _is_wanted(path: str) -> bool:
    file = PurePosixPath(path.lower())
    return file.suffix in _WHOLE or file.name in _WHOLE_NAMES or file.name.startswith("dockerfile")


def _patched(raw: bytes) -> tuple[dict[str, PatchedFile], list[Doubt]]:
    try:
        found = PatchSet(_text(raw))
    except UnidiffParseError as error:
        return {}, [(f"the diff could not be read line by line: {error}"[:200], 0.3)]
    return {_named(file): file for file in found}, []


def _named(file: PatchedFile) -> str:
    target = file.target_file if file.target_file and not file.target_file.endswith("/dev/null") else file.source_file
    return re.sub(r"^[ab]/", "", _unquoted(target or ""))


def _unquoted(name: str) -> str:
    """A path as Git quotes it: C escapes and octal bytes."""
    if not (name.startswith('"') and name.endswith('"')):
        return name
    raw, _ = codecs.escape_decode(name[1:-1].encode())
    return bytes(raw).decode(errors="replace")


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _file(entry: Entry, patch: PatchedFile | None, whole: Mapping[str, bytes], large: set[str]) -> ChangedFile:
    return ChangedFile(
        path=entry.path,
        old_path=entry.old_path,
        status=entry.status,
        kind=_kind(entry, large),
        added=entry.added,
        removed=entry.removed,
        lines_added=_lines(patch, added=True),
        lines_removed=_lines(patch, added=False),
        before=_text(whole[entry.old]) if entry.old in whole else None,
        after=_text(whole[entry.new]) if entry.new in whole else None,
    )


def _kind(entry: Entry, large: set[str]) -> Kind:
    if entry.submodule:
        return "submodule"
    if entry.symlink:
        return "symlink"
    if entry.binary:
        return "binary"
    return "unread" if entry.path in large else "text"


def _lines(patch: PatchedFile | None, *, added: bool) -> tuple[Line, ...]:
    rows = (line for hunk in patch or () for line in hunk if (line.is_added if added else line.is_removed))
    return tuple(
        ((r.target_line_no if added else r.source_line_no) or 0, r.value[:LONGEST_LINE].rstrip("\r\n")) for r in rows
    )


def _unread(files: Iterable[ChangedFile]) -> list[Doubt]:
    said: dict[Kind, tuple[str, float]] = {
        "binary": ("binary, not read", 0.03),
        "submodule": ("a submodule: what changed inside it was not read", 0.1),
        "symlink": ("a symbolic link, not followed", 0.02),
        "unread": ("too large, not read", 0.1),
    }
    doubts: list[Doubt] = []
    for kind, (words, cost) in said.items():
        names = [f.path for f in files if f.kind == kind]
        if names:
            doubts.append((f"{_some(names)}: {words}", cost))
    return doubts
