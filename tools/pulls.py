"""A pull request as a source of changes: the same questions that are asked of a checkout, answered by GitHub.

GitHub lists at most 3,000 files of a pull request, and leaves out the diff of very large ones. `gaps` names what is not there.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from domain.errors import ToolError
from tools.github import PAGE, Repository
from tools.repository import Entry

MOST_BLOBS = 200
"""Sides of files that are fetched whole, one call each."""
MOST_HISTORIES = 10
"""Files whose past is asked for, one call each."""
_AT_ONCE = 8
_NONE = "0" * 40
_STATUS = {"added": "A", "removed": "D", "renamed": "R", "copied": "C", "changed": "T"}
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_SUBMODULE = re.compile(r"^[-+]Subproject commit ", re.MULTILINE)
_MOST_PAGES = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """A pull request as GitHub says it is now."""

    number: int
    author: str
    title: str
    base: str
    """Commit at the tip of the branch it goes into."""
    base_branch: str
    head: str
    open: bool
    merged: str = ""
    """Commit that it was merged as; empty: it was not."""
    reviewers: tuple[str, ...] = ()
    files: int = 0
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A comment as it stands now."""

    author: str
    """Login; empty for what is no person."""
    body: str
    number: int
    """Of the pull request or issue it stands on."""
    edited: bool
    at: datetime


async def read_pull(repository: Repository, number: int) -> Pull:
    """Raises ToolError, AuthError."""
    row = await asyncio.to_thread(repository.ask, lambda rest, o, n: rest.pulls.get(o, n, number))
    return Pull(
        number=number,
        author=_login(row.get("user")),
        title=str(row.get("title") or "")[:300],
        base=_commit(row["base"]["sha"]),
        base_branch=str(row["base"]["ref"]),
        head=_commit(row["head"]["sha"]),
        open=row["state"] == "open",
        merged=_commit(row["merge_commit_sha"]) if row.get("merged") else "",
        reviewers=tuple(_login(r) for r in row.get("requested_reviewers") or []),
        files=int(row.get("changed_files") or 0),
        created_at=datetime.fromisoformat(row["created_at"]),
    )


async def read_remark(repository: Repository, comment: int) -> Remark:
    """Raises ToolError, AuthError."""
    row = await asyncio.to_thread(repository.ask, lambda rest, o, n: rest.issues.get_comment(o, n, comment))
    person = (row.get("user") or {}).get("type") == "User" and not row.get("performed_via_github_app")
    return Remark(
        author=_login(row.get("user")) if person else "",
        body=str(row.get("body") or ""),
        number=int(str(row["issue_url"]).rsplit("/", 1)[-1]),
        edited=row["created_at"] != row["updated_at"],
        at=datetime.fromisoformat(row["created_at"]),
    )


@dataclass(kw_only=True)
class PullFiles:
    """What one pull request changes. See tools.repository.Changes."""

    repository: Repository
    pull: Pull
    paths: Sequence[str] = ()
    """The only folders that count; none means all."""
    gaps: list[str] = field(default_factory=list)
    """What GitHub did not show, in words; complete once everything was asked."""
    _rows: list[dict[str, Any]] = field(default_factory=list)

    async def commit(self, revision: str) -> str:
        """Only full ids are known here. Raises ToolError."""
        return _commit(revision)

    async def merge_base(self, one: str, other: str) -> str | None:
        """The commit that both come from."""
        ends = f"{one}...{other}"
        found = await self._ask(lambda rest, o, n: rest.repos.compare_commits(o, n, ends, per_page=1))
        return _commit(found["merge_base_commit"]["sha"]) if found.get("merge_base_commit") else None

    async def entries(self, base: str, head: str) -> list[Entry]:
        """Every listed file, with both sides where the trees name them."""
        rows = await asyncio.to_thread(lambda: list(self._listed()))
        if len(rows) < self.pull.files and not self.paths:
            self.gaps.append(f"GitHub lists {len(rows):,} of {self.pull.files:,} files: the others were not looked at")
        self._rows = [row for row in rows if self._ours(row)]
        before, after = await asyncio.gather(self._tree(base), self._tree(head))
        return [_entry(row, before, after) for row in self._rows]

    async def sizes(self, objects: Iterable[str]) -> dict[str, int]:
        """Bytes of the blobs that the trees name."""
        return {name: self._sizes[name] for name in objects if name in self._sizes}

    async def contents(self, objects: Iterable[str]) -> dict[str, bytes]:
        """The blobs, at most MOST_BLOBS of them."""
        names = [name for name in dict.fromkeys(objects) if name.strip("0")]
        if len(names) > MOST_BLOBS:
            self.gaps.append(f"{len(names) - MOST_BLOBS:,} sides of files were not fetched whole")
        turn = asyncio.Semaphore(_AT_ONCE)
        found = await asyncio.gather(*(self._blob(name, turn) for name in names[:MOST_BLOBS]))
        return dict(zip(names, found, strict=False))

    async def patch(self, base: str, head: str, entries: Sequence[Entry]) -> bytes:
        """One unified diff of all that GitHub shows."""
        wanted = {entry.path for entry in entries}
        parts = (_patch(row) for row in self._rows if row["filename"] in wanted and row.get("patch"))
        return "".join(parts).encode()

    async def touched(self, head: str, *, days: int, most: int = PAGE) -> list[tuple[str, frozenset[str]]]:
        """Subjects and paths of the recent commits to the files that change most."""
        since = self.pull.created_at - timedelta(days=days)
        paths = [r["filename"] for r in sorted(self._rows, key=lambda r: -int(r["changes"]))][:MOST_HISTORIES]
        turn = asyncio.Semaphore(_AT_ONCE)
        found = await asyncio.gather(*(self._past(path, head, since, turn) for path in paths))
        subjects = {sha: subject for rows in found for sha, subject in rows}
        of = {sha: frozenset(p for p, rows in zip(paths, found, strict=True) if sha in dict(rows)) for sha in subjects}
        return [(subjects[sha], of[sha]) for sha in list(subjects)[:most]]

    async def describe(self, commit: str) -> str:
        """The short id."""
        return commit[:12]

    @property
    def _sizes(self) -> dict[str, int]:
        return {node["sha"]: int(node["size"]) for tree in self._trees for node in tree.values() if "size" in node}

    _trees: list[Mapping[str, Mapping[str, Any]]] = field(default_factory=list)

    def _listed(self) -> Iterator[dict[str, Any]]:
        number = self.pull.number
        return self.repository.pages(
            lambda rest, o, n, at: rest.pulls.list_files(o, n, number, per_page=PAGE, page=at), _MOST_PAGES
        )

    def _ours(self, row: Mapping[str, Any]) -> bool:
        names = (row["filename"], row.get("previous_filename") or row["filename"])
        folders = [path.strip("/") for path in self.paths]
        return not folders or any(name == f or name.startswith(f"{f}/") for name in names for f in folders)

    async def _tree(self, commit: str) -> Mapping[str, Mapping[str, Any]]:
        found = await self._ask(lambda rest, o, n: rest.git.get_tree(o, n, commit, recursive="1"))
        if found.get("truncated"):
            self.gaps.append(f"the tree of {commit[:12]} is too large to list: some files were not read whole")
        tree = {str(node["path"]): node for node in found["tree"] if node["type"] != "tree"}
        self._trees.append(tree)
        return tree

    async def _blob(self, name: str, turn: asyncio.Semaphore) -> bytes:
        async with turn:
            found = await self._ask(lambda rest, o, n: rest.git.get_blob(o, n, name))
        try:
            return base64.b64decode(found["content"])
        except (binascii.Error, ValueError) as error:
            raise ToolError("GitHub's blob cannot be read", expected="base64", found=str(error)[:100]) from error

    async def _past(self, path: str, head: str, since: datetime, turn: asyncio.Semaphore) -> list[tuple[str, str]]:
        async with turn:
            rows = await self._ask(
                lambda rest, o, n: rest.repos.list_commits(o, n, sha=head, path=path, since=since, per_page=PAGE)
            )
        return [(row["sha"], str(row["commit"]["message"]).split("\n", 1)[0]) for row in rows]

    async def _ask(self, question: Any) -> Any:
        return await asyncio.to_thread(self.repository.ask, question)


def _entry(row: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]) -> Entry:
    path, old_path = str(row["filename"]), str(row.get("previous_filename") or row["filename"])
    old, new = before.get(old_path, {}), after.get(path, {})
    patch, added, removed = str(row.get("patch") or ""), int(row["additions"]), int(row["deletions"])
    module = "160000" if _SUBMODULE.search(patch) else ""
    unshown = not patch and added + removed == 0 and row["status"] not in ("renamed", "copied")
    return Entry(
        status=_STATUS.get(row["status"], "M"),
        path=path,
        old_path=old_path,
        old_mode=module or str(old.get("mode", "")),
        new_mode=module or str(new.get("mode", "")),
        old=_NONE if row["status"] == "added" else str(old.get("sha", _NONE)),
        new=_NONE if row["status"] == "removed" else str(new.get("sha", _NONE)),
        raw_path=path.encode(),
        raw_old_path=old_path.encode(),
        added=added,
        removed=removed,
        binary=unshown,
    )


def _patch(row: Mapping[str, Any]) -> str:
    old = _quoted(f"a/{row.get('previous_filename') or row['filename']}")
    new = _quoted(f"b/{row['filename']}")
    before = "/dev/null" if row["status"] == "added" else old
    after = "/dev/null" if row["status"] == "removed" else new
    return f"--- {before}\n+++ {after}\n{row['patch']}\n"


def _quoted(name: str) -> str:
    """As Git quotes a path that would break its line."""
    if not re.search(r'[\x00-\x1f"\\]', name):
        return name
    return '"' + "".join(f"\\{ord(c):03o}" if c in '"\\' or c < " " else c for c in name) + '"'


def _login(row: Any) -> str:
    return str((row or {}).get("login") or "")[:100]


def _commit(text: Any) -> str:
    if not isinstance(text, str) or not _COMMIT.fullmatch(text):
        raise ToolError("GitHub names no commit", expected="a full commit id", found=repr(text)[:80])
    return text
