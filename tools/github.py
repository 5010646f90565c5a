"""GitHub, over its client library: one comment that is kept up to date on a pull request, and a commit's status."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from githubkit import GitHub, TokenAuthStrategy
from githubkit.exception import GitHubException, RequestFailed

from domain.errors import AuthError, ConfigError, ToolError, ToolUnavailableError

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}/[\w.-]{1,100}")
_PAGE = 100
_MOST_PAGES = 30
_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """`owner/name` at one API address, for one token."""

    name: str
    token: str = field(repr=False)
    url: str = "https://api.github.com"
    author: str = "github-actions[bot]"
    """Login that the token writes as: only its comments are ever changed."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigError("this names no repository", expected="owner/name", found=self.name[:100])

    def keep_comment(self, number: int, marker: str, body: str) -> str:
        """Update the comment that begins with the marker and is ours, or write one. Its address. Raises ToolError."""
        api, (owner, name) = self._api(), self.name.split("/")
        try:
            ours = next((c for c in self._comments(api, number) if _is_ours(c, marker, self.author)), None)
            if ours is None:
                answer = api.rest.issues.create_comment(owner, name, number, body=body)
            elif ours["body"] == body:
                return str(ours["html_url"])
            else:
                answer = api.rest.issues.update_comment(owner, name, int(ours["id"]), body=body)
        except GitHubException as error:
            raise _told(error) from error
        return str(answer.json()["html_url"])

    def set_status(self, commit: str, state: Literal["pending", "success", "failure"], text: str, context: str) -> None:
        """What the commit shows beside its checks. Raises ToolError."""
        api, (owner, name) = self._api(), self.name.split("/")
        try:
            api.rest.repos.create_commit_status(owner, name, commit, state=state, description=text, context=context)
        except GitHubException as error:
            raise _told(error) from error

    def _api(self) -> GitHub[TokenAuthStrategy]:
        return GitHub(
            TokenAuthStrategy(self.token), base_url=self.url, timeout=_TIMEOUT_S, auto_retry=False, http_cache=False
        )

    def _comments(self, api: GitHub[TokenAuthStrategy], number: int) -> Iterator[dict[str, Any]]:
        owner, name = self.name.split("/")
        for page in range(1, _MOST_PAGES + 1):
            rows: Any = api.rest.issues.list_comments(owner, name, number, per_page=_PAGE, page=page).json()
            yield from rows
            if len(rows) < _PAGE:
                return


def _is_ours(comment: dict[str, Any], marker: str, author: str) -> bool:
    """Both: a copied marker under another name is somebody else's comment."""
    login = (comment.get("user") or {}).get("login")
    return login == author and str(comment.get("body") or "").startswith(marker)


def _told(error: GitHubException) -> ToolError | AuthError:
    if not isinstance(error, RequestFailed):
        return ToolUnavailableError("GitHub does not answer", expected="an answer", found=type(error).__name__)
    code = error.response.status_code
    if code in (401, 403):
        hint = "the token needs `pull-requests: write` and `statuses: write`"
        return AuthError("GitHub refuses the token", expected="a token that may write", found=f"HTTP {code}", hint=hint)
    if code >= 500 or code == 429:
        return ToolUnavailableError("GitHub cannot do it now", expected="HTTP 2xx", found=f"HTTP {code}")
    return ToolError(
        "GitHub refused", expected="HTTP 2xx", found=f"HTTP {code}", hint="is the repository, number or commit right?"
    )
