"""Places on disk: how full they are, what lies there, and removing what was declared to be scratch.

Patterns are those of `fnmatch` on the path relative to the directory (`/` is matched by `*`), or on the bare name when the
pattern has no slash. Symbolic links are neither followed nor removed; other file systems mounted below are not entered.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from domain.errors import ToolError, ToolUnavailableError

MAX_FILES = 20_000
"""A scan stops after this many files and says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """How full the file system below a path is, in bytes."""

    total: int
    free: int

    @property
    def used_ratio(self) -> float:
        """0 empty, 1 full."""
        return 1.0 - self.free / self.total if self.total else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A regular file below a directory."""

    path: str
    """Relative to the directory."""
    bytes: int
    """Allocated size."""
    inode: int


def usage(directory: Path, *, quota: int = 0, files: Sequence[Found] = ()) -> Usage:
    """Room on the file system; or, where a quota in bytes stands in for one, what `files` leave of it.

    Raises ToolUnavailableError when the directory cannot be looked at.
    """
    if quota:
        return Usage(total=quota, free=max(0, quota - sum(f.bytes for f in files)))
    try:
        facts = os.statvfs(directory)
    except OSError as error:
        raise _unreadable(directory, error) from error
    return Usage(total=facts.f_blocks * facts.f_frsize, free=facts.f_bavail * facts.f_frsize)


def scan(directory: Path) -> list[Found]:
    """Regular files below the directory, largest first, at most MAX_FILES."""
    found: list[Found] = []
    for _, relative, facts in _walk(directory):
        found.append(Found(path=relative, bytes=facts.st_blocks * 512, inode=facts.st_ino))
        if len(found) >= MAX_FILES:
            break
    return sorted(found, key=lambda f: (-f.bytes, f.path))


def matches(relative: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns names this relative path."""
    name = relative.rsplit("/", 1)[-1]
    return any(fnmatchcase(relative if "/" in pattern else name, pattern) for pattern in patterns)


def removable(relative: str, *, scratch: Sequence[str], keep: Sequence[str]) -> bool:
    """Declared to be scratch, and not under any pattern that must stay. An empty scratch list means nothing is."""
    return matches(relative, scratch) and not matches(relative, keep)


def remove(directory: Path, wanted: set[str], *, scratch: Sequence[str], keep: Sequence[str]) -> list[Found]:
    """Unlink the wanted files that are scratch; returns what went. Checks again at the moment of removal."""
    gone: list[Found] = []
    for handle, relative, facts in _walk(directory):
        if relative not in wanted or not removable(relative, scratch=scratch, keep=keep):
            continue
        try:
            os.unlink(relative.rsplit("/", 1)[-1], dir_fd=handle)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ToolError(
                f"{relative} cannot be removed",
                expected="a file we may unlink",
                found=error.strerror or type(error).__name__,
            ) from error
        gone.append(Found(path=relative, bytes=facts.st_blocks * 512, inode=facts.st_ino))
    return gone


def _walk(directory: Path) -> Iterator[tuple[int, str, os.stat_result]]:
    """(open directory handle, relative path, lstat) of every regular file on the directory's own file system."""
    try:
        top = os.lstat(directory)
    except OSError as error:
        raise _unreadable(directory, error) from error
    if not stat.S_ISDIR(top.st_mode):
        raise ToolError("not a directory", expected="a directory, not a link to one", found=str(directory))
    prefix = len(str(directory)) + 1
    for where, folders, names, handle in os.fwalk(directory, follow_symlinks=False):
        if os.fstat(handle).st_dev != top.st_dev:
            folders.clear()
            continue
        for name in sorted(names):
            try:
                facts = os.stat(name, dir_fd=handle, follow_symlinks=False)
            except OSError:
                continue
            if stat.S_ISREG(facts.st_mode):
                yield handle, f"{where[prefix:]}/{name}" if len(where) > prefix else name, facts


def _unreadable(directory: Path, error: OSError) -> ToolUnavailableError:
    return ToolUnavailableError(
        "the directory cannot be looked at", expected=str(directory), found=error.strerror or type(error).__name__
    )
