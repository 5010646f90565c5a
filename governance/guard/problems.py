"""Errors as RFC 9457 problem documents, and back. The HTTP codes stand in one table."""

from __future__ import annotations

from pydantic import ValidationError

from domain.errors import (
    AuthError,
    ConfigError,
    ConflictError,
    FirebreakError,
    GovernanceError,
    LedgerError,
    NotFoundError,
    UpstreamError,
)
from domain.value import Value


class Problem(Value):
    """The body of every refusal (media type application/problem+json)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    expected: str = ""
    found: str = ""
    hint: str = ""


CODES: tuple[tuple[type[FirebreakError], int, str], ...] = (
    (AuthError, 403, "Not allowed"),
    (NotFoundError, 404, "Not found"),
    (ConflictError, 409, "Conflict"),
    (LedgerError, 503, "The ledger is not available"),
    (GovernanceError, 422, "Not acceptable to the guard"),
    (ConfigError, 422, "Invalid"),
    (UpstreamError, 503, "Not available"),
    (FirebreakError, 500, "Failed"),
)
"""The first class that matches says status and title; the last one matches everything."""

UNAUTHENTICATED = "auth.refused"
"""The one code that answers 401: nobody is known to be asking."""

_BACK: dict[int, type[FirebreakError]] = {
    401: AuthError,
    403: AuthError,
    404: NotFoundError,
    409: ConflictError,
    413: GovernanceError,
    422: GovernanceError,
}


def problem_of(error: FirebreakError) -> Problem:
    """The document for an error."""
    status, title = next((status, title) for kind, status, title in CODES if isinstance(error, kind))
    if error.code == UNAUTHENTICATED:
        status, title = 401, "Who is asking?"
    return Problem(
        type=f"urn:firebreak:{error.code}",
        title=title,
        status=status,
        detail=error.message,
        code=error.code,
        expected=error.expected,
        found=error.found,
        hint=error.hint,
    )


def error_of(status: int, body: object) -> FirebreakError:
    """The error behind an answer: the same class that the server raised, an UpstreamError when it makes no sense."""
    kind = _BACK.get(status, UpstreamError)
    try:
        problem = Problem.model_validate(body)
    except ValidationError:
        return UpstreamError(
            "the action server answered something unexpected", expected="a problem document", found=f"HTTP {status}"
        )
    if problem.code.startswith("ledger."):
        kind = LedgerError
    facts = {"expected": problem.expected, "found": problem.found, "hint": problem.hint}
    return kind(problem.detail, **facts, code=problem.code)
