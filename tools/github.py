"""GitHub, over its client library: what is asked of it, one comment that is kept up to date, and a commit's status."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from githubkit import GitHub, TokenAuthStrategy
from githubkit.exception import GitHubException, RateLimitExceeded, RequestFailed

from domain.errors import AuthError, ConfigError, ToolError, ToolUnavailableError

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}/[\w.-]{1,100}")
PAGE = 100
"""Rows that GitHub gives at once."""
_MOST_PAGES = 30
_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """`owner/name` at one API address, for one token."""

    name: str
    token: str = field(repr=False)
    url: str = "https://api.github.com"
    author: str = "github-actions[bot]"
    """Login that the token writes as: only its comments are ever changed. Empty: GitHub is asked."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigError("this names no repository", expected="owner/name", found=self.name[:100])

    def ask(self, question: Callable[[Any, str, str], Any]) -> Any:
        """The JSON that GitHub answers to `question(rest, owner, name)`. Raises ToolError, AuthError."""
        owner, name = self.name.split("/")
        try:
            with self._api() as api:
                return question(api.rest, owner, name).json()
        except GitHubException as error:
            raise _told(error) from error

    def pages(self, question: Callable[[Any, str, str, int], Any], most: int = _MOST_PAGES) -> Iterator[dict[str, Any]]:
        """Rows of a list, a hundred at a time; `question` is also told which page. Raises ToolError, AuthError."""
        for page in range(1, most + 1):
            rows = self._page(question, page)
            yield from rows
            if len(rows) < PAGE:
                return

    def _page(self, question: Callable[[Any, str, str, int], Any], page: int) -> list[dict[str, Any]]:
        return list(self.ask(lambda rest, owner, name: question(rest, owner, name, page)))

    def login(self) -> str:
        """Whom the token writes as. Raises ConfigError for an app's token, which is nobody by itself."""
        try:
            return str(self.ask(lambda rest, _, __: rest.users.get_authenticated())["login"])
        except AuthError as error:
            hint = "set FIREBREAK_GITHUB_LOGIN, e.g. `my-app[bot]`, if it is an app's"
            raise ConfigError(
                "it is not known whom the token writes as", expected="a person's token", found=error.found, hint=hint
            ) from error

    def keep_comment(self, number: int, marker: str, body: str) -> str:
        """Update the comment that begins with the marker and is ours, or write one. Its address. Raises ToolError."""
        author = self.author or self.login()
        ours = next((c for c in self._comments(number) if _is_ours(c, marker, author)), None)
        if ours is None:
            return str(self.ask(lambda rest, o, n: rest.issues.create_comment(o, n, number, body=body))["html_url"])
        if ours["body"] == body:
            return str(ours["html_url"])
        which = int(ours["id"])
        return str(self.ask(lambda rest, o, n: rest.issues.update_comment(o, n, which, body=body))["html_url"])

    def set_status(
        self, commit: str, state: Literal["pending", "success", "failure"], text: str, context: str, link: str = ""
    ) -> None:
        """What the commit shows beside its checks. Raises ToolError."""
        facts = {"state": state, "description": text, "context": context} | ({"target_url": link} if link else {})
        self.ask(lambda rest, o, n: rest.repos.create_commit_status(o, n, commit, **facts))

    def _api(self) -> GitHub[TokenAuthStrategy]:
        return GitHub(
            TokenAuthStrategy(self.token),
            base_url=self.url,
            timeout=_TIMEOUT_S,
            auto_retry=False,
            http_cache=False,
            ssl_verify=_trusted(),
        )

    def _comments(self, number: int) -> Iterator[dict[str, Any]]:
        return self.pages(lambda rest, o, n, at: rest.issues.list_comments(o, n, number, per_page=PAGE, page=at))


@cache
def _trusted() -> ssl.SSLContext:
    """The machine's certificates (SSL_CERT_FILE says otherwise), read once: that takes longer than a call."""
    return ssl.create_default_context()


def _is_ours(comment: dict[str, Any], marker: str, author: str) -> bool:
    """Both: a copied marker under another name is somebody else's comment."""
    login = (comment.get("user") or {}).get("login")
    return login == author and str(comment.get("body") or "").startswith(marker)


def _told(error: GitHubException) -> ToolError | AuthError:
    if not isinstance(error, RequestFailed):
        return ToolUnavailableError("GitHub does not answer", expected="an answer", found=type(error).__name__)
    code = error.response.status_code
    if isinstance(error, RateLimitExceeded):
        limited = ToolUnavailableError("GitHub was asked too often", expected="HTTP 2xx", found=f"HTTP {code}")
        limited.retry_after = min(error.retry_after.total_seconds(), 3600.0)
        return limited
    if code in (401, 403):
        hint = "the token needs `contents: read`, `pull-requests: write` and `statuses: write`"
        return AuthError("GitHub refuses the token", expected="a token that may write", found=f"HTTP {code}", hint=hint)
    if code >= 500 or code == 429:
        return ToolUnavailableError("GitHub cannot do it now", expected="HTTP 2xx", found=f"HTTP {code}")
    return ToolError(
        "GitHub refused", expected="HTTP 2xx", found=f"HTTP {code}", hint="is the repository, number or commit right?"
    )
