"""A Git repository, read only: what differs between two commits, as bytes. Nothing that the repository configures is run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from domain.errors import ConfigError, ToolError
from tools.command import run_raw

TIMEOUT_S = 60.0
_SAFE = ("-c", "core.fsmonitor=false", "-c", "core.quotePath=true", "-c", "diff.suppressBlankEmpty=false")
_QUIET = ("--no-color", "--no-ext-diff", "--no-textconv", "--find-renames", "--no-relative")
_PREFIXES = ("--src-prefix=a/", "--dst-prefix=b/")
_CHUNK = 1000
"""Paths per call: a command line has room for a few thousand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One changed path, as `git diff --raw` says (gitdiffcore(7)). Names that are not UTF-8 have replacement characters."""

    status: str
    """A, M, D, R, C, T or U."""
    path: str
    old_path: str
    old_mode: str
    new_mode: str
    old: str
    """Object before; all zeros: there was none."""
    new: str
    raw_path: bytes
    raw_old_path: bytes
    added: int = 0
    removed: int = 0
    binary: bool = False

    @property
    def submodule(self) -> bool:
        return "160000" in (self.old_mode, self.new_mode)

    @property
    def symlink(self) -> bool:
        return "120000" in (self.old_mode, self.new_mode)


class Changes(Protocol):
    """What is asked of whoever knows what lies between two commits. All of it raises ToolError."""

    async def commit(self, revision: str) -> str:
        """Full id of a commit. Raises ConfigError when there is none of that name."""
        ...

    async def merge_base(self, one: str, other: str) -> str | None:
        """The commit that both come from; None: cannot be told."""
        ...

    async def entries(self, base: str, head: str) -> list[Entry]:
        """Every path that differs, with its numbers of lines."""
        ...

    async def sizes(self, objects: Iterable[str]) -> dict[str, int]:
        """Bytes of each blob that is known."""
        ...

    async def contents(self, objects: Iterable[str]) -> dict[str, bytes]:
        """The blobs themselves, as many as are to be had."""
        ...

    async def patch(self, base: str, head: str, entries: Sequence[Entry]) -> bytes:
        """Unified diff of these paths, as far as it is to be had."""
        ...

    async def touched(self, head: str, *, days: int) -> list[tuple[str, frozenset[str]]]:
        """Subject and paths of each commit of the `days` before `head`, newest first."""
        ...

    async def describe(self, commit: str) -> str:
        """What the commit may be called as a version."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GitRepository:
    """A work tree or a bare repository. See Changes."""

    folder: Path

    async def commit(self, revision: str) -> str:
        """Full id of a commit. Raises ConfigError when there is none of that name."""
        code, out, err = await self._run(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
        )
        if code:
            raise ConfigError(
                f"{self.folder} has no commit {revision!r}",
                expected="a branch, a tag or a commit of a Git repository",
                found=_words(err) or "none of that name",
                hint="fetch it first: git fetch origin BRANCH; a shallow clone may need git fetch --unshallow",
            )
        return out.decode().strip()

    async def merge_base(self, one: str, other: str) -> str | None:
        """The commit that both come from; None for unrelated histories (or a clone that is too shallow to tell)."""
        code, out, _ = await self._run("merge-base", one, other)
        return out.decode().split()[0] if code == 0 and out.strip() else None

    async def entries(self, base: str, head: str) -> list[Entry]:
        """Every path that differs, with its numbers of lines. Raises ToolError."""
        raw = await self._well("diff", *_QUIET, "--raw", "-z", "--no-abbrev", base, head, "--")
        counted = await self._well("diff", *_QUIET, "--numstat", "-z", base, head, "--")
        return _counted(list(_raw(raw)), counted)

    async def sizes(self, objects: Iterable[str]) -> dict[str, int]:
        """Bytes of each blob; what is no blob here (a submodule's commit) is left out. Raises ToolError."""
        names = _asked(objects)
        if not names:
            return {}
        rows = (await self._well("cat-file", "--batch-check", given=names)).decode().splitlines()
        return {words[0]: int(words[2]) for words in map(str.split, rows) if len(words) == 3 and words[1] == "blob"}

    async def contents(self, objects: Iterable[str]) -> dict[str, bytes]:
        """The blobs themselves. Ask for their sizes first: nothing bounds this. Raises ToolError."""
        names = _asked(objects)
        return dict(_blobs(await self._well("cat-file", "--batch", given=names))) if names else {}

    async def patch(self, base: str, head: str, entries: Sequence[Entry]) -> bytes:
        """Unified diff without context of these paths. Raises ToolError."""
        parts = []
        for start in range(0, len(entries), _CHUNK):
            chunk = entries[start : start + _CHUNK]
            paths = [os.fsdecode(p) for e in chunk for p in dict.fromkeys((e.raw_old_path, e.raw_path))]
            words = ("--literal-pathspecs", "diff", *_QUIET, *_PREFIXES, "-U0", base, head, "--", *paths)
            parts.append(await self._well(*words))
        return b"".join(parts)

    async def touched(self, head: str, *, days: int, most: int = 2000) -> list[tuple[str, frozenset[str]]]:
        """Subject and paths of each commit of the `days` before `head`, newest first, merges left out. Raises ToolError."""
        when = (await self._well("show", "--no-patch", "--format=%ct", head, "--")).decode().split()[0]
        since = f"--since={int(when) - days * 86_400}"
        words = (
            "log",
            since,
            f"--max-count={most}",
            "--no-merges",
            "--no-renames",
            "--name-only",
            "-z",
            "--format=%x01%s",
        )
        return list(_commits(await self._well(*words, head, "--")))

    async def describe(self, commit: str) -> str:
        """The nearest tag with the distance from it, or the short id."""
        code, out, _ = await self._run("describe", "--always", "--tags", commit)
        return out.decode(errors="replace").strip() if code == 0 else commit[:12]

    async def _well(self, *words: str, given: bytes = b"") -> bytes:
        code, out, err = await self._run(*words, given=given)
        if code:
            command = next((w for w in words if not w.startswith("-")), "")
            raise ToolError(f"git {command} failed", expected="exit code 0", found=f"{code}: {_words(err)}")
        return out

    async def _run(self, *words: str, given: bytes = b"") -> tuple[int, bytes, bytes]:
        argv = ("git", "--no-pager", *_SAFE, *words)
        return await run_raw(argv, folder=self.folder, timeout_s=TIMEOUT_S, env=_environment(), given=given)


def _environment() -> Mapping[str, str]:
    kept = {name: value for name in ("PATH", "HOME", "TMPDIR") if (value := os.environ.get(name))}
    quiet = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"}
    return kept | quiet | {"GIT_ATTR_NOSYSTEM": "1"}


def _asked(objects: Iterable[str]) -> bytes:
    return "".join(f"{name}\n" for name in dict.fromkeys(objects) if name.strip("0")).encode()


def _raw(output: bytes) -> Iterator[Entry]:
    fields = iter(output.split(b"\0"))
    for header in fields:
        if not header.startswith(b":"):
            continue
        old_mode, new_mode, old, new, status = header[1:].decode().split()
        first = next(fields)
        last = next(fields) if status[0] in "RC" else first
        yield Entry(
            status=status[0],
            path=last.decode(errors="replace"),
            old_path=first.decode(errors="replace"),
            old_mode=old_mode,
            new_mode=new_mode,
            old=old,
            new=new,
            raw_path=last,
            raw_old_path=first,
        )


def _counted(entries: list[Entry], output: bytes) -> list[Entry]:
    counts: dict[bytes, tuple[bytes, bytes]] = {}
    fields = iter(output.split(b"\0"))
    for row in fields:
        parts = row.split(b"\t", 2)
        if len(parts) != 3:
            continue
        added, removed, path = parts
        if not path:
            next(fields)
            path = next(fields)
        counts[path] = (added, removed)
    rows = [(e, counts.get(e.raw_path, (b"0", b"0"))) for e in entries]
    return [
        replace(e, binary=a == b"-", added=int(a) if a != b"-" else 0, removed=int(r) if r != b"-" else 0)
        for e, (a, r) in rows
    ]


def _commits(output: bytes) -> Iterator[tuple[str, frozenset[str]]]:
    for part in output.decode(errors="replace").split("\x01")[1:]:
        subject, *paths = part.split("\0")
        yield subject, frozenset(path.strip("\n") for path in paths if path.strip("\n"))


def _blobs(output: bytes) -> Iterator[tuple[str, bytes]]:
    at = 0
    while at < len(output):
        end = output.index(b"\n", at)
        words = output[at:end].decode().split()
        at = end + 1
        if len(words) == 3:
            size = int(words[2])
            yield words[0], output[at : at + size]
            at += size + 1


def _words(raw: bytes) -> str:
    return " ".join(raw.decode(errors="replace").split())[:300]
