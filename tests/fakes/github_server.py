"""GitHub's REST API over a real Git repository, as far as contracts need it: one pull request, its comments, statuses, objects.

Shapes: https://docs.github.com/en/rest (2022-11-28); the pull request starts as octokit's recorded payload.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from tests.unit.contracts.repository import Repository

PAYLOADS = Path(__file__).parents[1] / "data" / "payloads"
US = "github-actions[bot]"
NAME = "acme/shop"
NUMBER = 7
_STATUS = {"A": "added", "D": "removed", "M": "modified", "R": "renamed", "T": "changed"}


@dataclass
class GitHubDouble:
    """`fail` answers everything with that code; `calls` are what was asked."""

    git: Repository | None = None
    comments: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[dict[str, Any]] = field(default_factory=list)
    pull: dict[str, Any] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    fail: int = 0
    url: str = ""

    def add(self, login: str, body: str, **more: Any) -> dict[str, Any]:
        """A comment that somebody wrote."""
        number = len(self.comments) + 1
        row = {
            "id": number,
            "body": body,
            "user": {"login": login, "type": "Bot" if login.endswith("[bot]") else "User"},
            "html_url": f"http://x/{number}",
            "issue_url": f"https://api.github.com/repos/{NAME}/issues/{NUMBER}",
            "created_at": "2026-03-02T10:00:00Z",
            "updated_at": "2026-03-02T10:00:00Z",
            **more,
        }
        self.comments.append(row)
        return row

    def ours(self) -> list[str]:
        """What we wrote."""
        return [c["body"] for c in self.comments if c["user"]["login"] == US]

    def open_pull(self, git: Repository, base: str, head: str, author: str = "dev-gh") -> None:
        """One pull request from base to head."""
        self.git = git
        recorded = json.loads((PAYLOADS / "github_pull_request_opened.json").read_bytes())["pull_request"]
        self.pull = {**recorded, "number": NUMBER, "user": {"login": author, "type": "User"}}
        self.pull |= {"base": {"sha": base, "ref": "main"}, "state": "open", "merged": False}
        self.push(head)

    def push(self, head: str) -> None:
        """Another head."""
        self.pull["head"] = {"sha": head, "ref": "feature"}
        self.pull["changed_files"] = len(self.files())

    def files(self) -> list[dict[str, Any]]:
        """As `GET pulls/N/files` lists them."""
        git, base, head = self._git, self.pull["base"]["sha"], self.pull["head"]["sha"]
        fork = git.git("merge-base", base, head)
        raw = git.git("diff", "--raw", "-z", "--no-abbrev", "-M", fork, head).split("\0:")
        rows = [row.strip("\0").lstrip(":").split("\0") for row in raw if row]
        return [self._file(row[0], row[1:], fork, head) for row in rows]

    def _file(self, facts: str, paths: list[str], fork: str, head: str) -> dict[str, Any]:
        old, new = paths[0], paths[-1]
        diff = self._git.git("diff", "-M", fork, head, "--", *paths).split("\n@@", 1)
        added, removed, _ = self._git.git("diff", "--numstat", "-M", fork, head, "--", *paths).split("\t", 2)
        binary = added == "-"
        row = {
            "sha": facts.split()[3],
            "filename": new,
            "status": _STATUS[facts.split()[4][0]],
            "additions": 0 if binary else int(added),
            "deletions": 0 if binary else int(removed),
            "changes": 0 if binary else int(added) + int(removed),
        }
        row |= {"previous_filename": old} if old != new else {}
        return row | ({"patch": f"@@{diff[1]}"} if len(diff) > 1 else {})

    @property
    def _git(self) -> Repository:
        assert self.git is not None
        return self.git

    def app(self) -> FastAPI:
        """The API."""
        api = FastAPI()
        place = f"/repos/{NAME}"

        @api.middleware("http")
        async def guarded(request: Request, onward: Any) -> Any:
            self.calls.append(f"{request.method} {request.url.path}")
            if self.fail or request.headers.get("authorization") != "token good":
                return JSONResponse({"message": "no"}, self.fail or 401)
            return await onward(request)

        @api.get("/user")
        async def user() -> dict[str, Any]:
            return {"login": US}

        @api.get(f"{place}/issues/{NUMBER}/comments")
        async def listed(per_page: int = 30, page: int = 1) -> list[dict[str, Any]]:
            return self.comments[(page - 1) * per_page : page * per_page]

        @api.post(f"{place}/issues/{NUMBER}/comments", status_code=201)
        async def made(request: Request) -> dict[str, Any]:
            return self.add(US, (await request.json())["body"])

        @api.get(place + "/issues/comments/{comment}")
        async def said(comment: int) -> dict[str, Any]:
            return self.comments[comment - 1]

        @api.patch(place + "/issues/comments/{comment}")
        async def changed(comment: int, request: Request) -> dict[str, Any]:
            self.comments[comment - 1]["body"] = (await request.json())["body"]
            return self.comments[comment - 1]

        @api.post(place + "/statuses/{commit}", status_code=201)
        async def status(commit: str, request: Request) -> dict[str, Any]:
            self.statuses.append({"commit": commit, **(await request.json())})
            return {}

        @api.get(f"{place}/pulls/{NUMBER}")
        def pull() -> dict[str, Any]:
            return self.pull

        @api.get(f"{place}/pulls/{NUMBER}/files")
        def files(per_page: int = 30, page: int = 1) -> list[dict[str, Any]]:
            return self.files()[(page - 1) * per_page : page * per_page]

        @api.get(place + "/compare/{ends}")
        def compare(ends: str) -> dict[str, Any]:
            return {"merge_base_commit": {"sha": self._git.git("merge-base", *ends.split("..."))}}

        @api.get(place + "/git/trees/{commit}")
        def tree(commit: str) -> dict[str, Any]:
            raw = self._git.git("ls-tree", "-r", "-l", "-z", commit).strip("\0")
            rows = [row.split("\t") for row in raw.split("\0")]
            return {"tree": [_node(facts.split(), path) for facts, path in rows], "truncated": False}

        @api.get(place + "/git/blobs/{blob}")
        def content(blob: str) -> dict[str, Any]:
            text = self._git.git("cat-file", "blob", blob) + "\n"
            return {"content": base64.encodebytes(text.encode()).decode(), "encoding": "base64"}

        @api.get(f"{place}/commits")
        def past(sha: str, path: str) -> list[dict[str, Any]]:
            rows = self._git.git("log", "--format=%H%x09%s", sha, "--", path).splitlines()
            return [{"sha": r.split("\t")[0], "commit": {"message": r.split("\t", 1)[1]}} for r in rows]

        return api


def _node(facts: list[str], path: str) -> dict[str, Any]:
    mode, kind, sha, size = facts
    return {"path": path, "mode": mode, "type": kind, "sha": sha} | ({} if size == "-" else {"size": int(size)})
