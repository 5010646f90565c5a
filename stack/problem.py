"""Answers for what cannot be done: RFC 9457 problem documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    422: "Invalid input",
    429: "Too many requests",
    500: "Internal error",
    502: "Bad gateway",
    503: "Unavailable",
    504: "Timeout",
}


@dataclass
class ProblemError(Exception):
    """Something the caller asked for cannot be done. Carries the answer."""

    status: int
    code: str
    detail: str
    expected: str = ""
    found: str = ""
    hint: str = ""

    def __str__(self) -> str:
        return self.detail

    def document(self) -> dict[str, Any]:
        """The body of an application/problem+json answer; empty fields are left out."""
        body: dict[str, Any] = {
            "type": f"urn:stack:problem:{self.code}",
            "title": TITLES.get(self.status, "Error"),
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        more = {"expected": self.expected, "found": self.found, "hint": self.hint}
        return body | {key: value for key, value in more.items() if value}


def invalid(detail: str, *, expected: str, found: object) -> ProblemError:
    """422: the input has the wrong shape."""
    return ProblemError(422, "input.invalid", detail, expected=expected, found=repr(found)[:200])
