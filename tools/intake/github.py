"""GitHub's webhooks about pull requests: where to look, never what is true. What is true is asked of GitHub itself.

Its signature covers the body alone, without a time, an event name or a delivery id: whatever is read here may have been sent
before, or under another header. Format: https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from domain.value import Value
from tools.intake import fields

SOURCE = "github"
DEPLOYS = frozenset({"deployment", "deployment_status"})
"""Events that are change events."""
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}/[A-Za-z0-9._-]{1,100}")
_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}(\[bot\])?")
_ABOUT_THE_CHANGE = frozenset({"opened", "synchronize", "reopened", "closed", "edited", "ready_for_review"})


class Hint(Value):
    """A pull request that is worth a look."""

    repository: str
    """owner/name."""
    number: Annotated[int, Field(ge=1, lt=10**12)]
    sender: str
    """Login of whoever did it."""
    comment: Annotated[int, Field(ge=0, lt=10**18)] = 0
    """A comment on it that is worth a look; 0: the change itself is."""
    pushed: bool = False
    """The sender opened it or pushed to it: a hand in the change."""
    kind: Literal["change", "comment", "touched"]
    """touched: a comment that stood there was edited or deleted."""


def read_hint(body: Any) -> Hint | None:
    """What to look at; None for what is about no pull request. Raises IntakeError for a body that lacks what it promises."""
    found = fields.mapping(body, "the body")
    if "comment" in found and "issue" in found:
        return _comment(found)
    if "pull_request" in found and "number" in found:
        return _change(found)
    return None


def _change(found: Mapping[str, Any]) -> Hint | None:
    action = fields.text(found.get("action"), "action")
    if action not in _ABOUT_THE_CHANGE:
        return None
    pushed = action in ("opened", "synchronize")
    number, (repository, sender) = _number(found.get("number"), "number"), _who(found)
    return Hint(kind="change", pushed=pushed, number=number, repository=repository, sender=sender)


def _comment(found: Mapping[str, Any]) -> Hint | None:
    issue = fields.mapping(found["issue"], "issue")
    if "pull_request" not in issue:
        return None
    comment = fields.mapping(found["comment"], "comment")
    created = fields.text(found.get("action"), "action") == "created"
    repository, sender = _who(found)
    return Hint(
        kind="comment" if created else "touched",
        repository=repository,
        number=_number(issue.get("number"), "issue.number"),
        comment=_number(comment.get("id"), "comment.id"),
        sender=sender,
    )


def _who(found: Mapping[str, Any]) -> tuple[str, str]:
    """Repository and sender."""
    repository = fields.mapping(found.get("repository"), "repository").get("full_name")
    sender = fields.mapping(found.get("sender"), "sender").get("login")
    if not isinstance(repository, str) or not _REPOSITORY.fullmatch(repository):
        raise fields.malformed("repository.full_name", "owner/name", repository)
    if not isinstance(sender, str) or not _LOGIN.fullmatch(sender):
        raise fields.malformed("sender.login", "a login", sender)
    return repository, sender


def _number(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 10**12:
        raise fields.malformed(where, "a number", value)
    return value
