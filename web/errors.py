"""Errors at the edge: one table of HTTP codes, RFC 9457 problem documents, and the same as a page for people."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from domain import errors as tree
from domain.redaction import redact
from domain.value import Value

STATUS: dict[type[tree.FirebreakError], int] = {
    tree.FirebreakError: 500,
    tree.ConfigError: 500,
    tree.IntakeError: 400,
    tree.AuthError: 401,
    tree.NotFoundError: 404,
    tree.ConflictError: 409,
    tree.EvidenceError: 502,
    tree.GovernanceError: 409,
    tree.LedgerError: 500,
    tree.ToolError: 502,
    tree.ToolUnavailableError: 503,
    tree.ToolUnknownError: 504,
    tree.ModelError: 502,
    tree.ModelUnavailableError: 503,
    tree.StorageError: 503,
    tree.StorageUnavailableError: 503,
    tree.LeaseLostError: 503,
    tree.ProcessError: 500,
    tree.UpstreamError: 503,
    tree.CircuitOpenError: 503,
}
"""HTTP code per class of the error tree; a test proves that no class is missing."""

STATUS_BY_CODE: dict[str, int] = {
    "skill.invalid": 422,
    "skill.parameters": 422,
    "skill.unreadable": 422,
    "skill.changed": 409,
    "skill.quarantined": 409,
    "auth.forbidden": 403,
    "auth.cross_site": 403,
    "intake.unknown_source": 404,
    "request.too_large": 413,
    "request.invalid": 422,
    "request.method_not_allowed": 405,
    "request.refused": 400,
}
"""Codes that say more than their class."""

RETRY_AFTER_S = 2
"""Seconds told to senders when a store of ours refuses and the error names no time of its own."""


class Problem(Value):
    """RFC 9457 problem document; `code`, `expected`, `found` and `hint` are our extension members."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    expected: str = ""
    found: str = ""
    hint: str = ""
    instance: str = ""
    """The request id, as in the answer's X-Request-Id header and in the logs."""


Page = Callable[[Request, Problem], Awaitable[Response]]
"""Shows a problem to a person."""


def status_of(error: tree.FirebreakError) -> int:
    """HTTP code of an error: by its code where the table has one, else by the nearest class."""
    by_code = STATUS_BY_CODE.get(error.code)
    if by_code is not None:
        return by_code
    return next(STATUS[c] for c in type(error).__mro__ if issubclass(c, tree.FirebreakError) and c in STATUS)


def problem_of(error: tree.FirebreakError, instance: str = "") -> Problem:
    """The error as a problem document, secrets removed."""
    status = status_of(error)
    return Problem(
        type=f"urn:firebreak:problem:{error.code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=redact(error.message),
        code=error.code,
        expected=redact(error.expected),
        found=redact(error.found),
        hint=error.hint,
        instance=instance,
    )


def headers_of(error: tree.FirebreakError) -> dict[str, str]:
    """`Retry-After` where trying again helps, `WWW-Authenticate` where a credential is missing."""
    status = status_of(error)
    if status == 401:
        return {"WWW-Authenticate": 'Bearer realm="firebreak"'}
    if status in {429, 503}:
        seconds = error.retry_after if isinstance(error, tree.Transient) else RETRY_AFTER_S
        return {"Retry-After": str(max(1, math.ceil(seconds)))}
    return {}


def problem_response(problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    """The document with its media type."""
    body = problem.model_dump(mode="json", exclude_defaults=True)
    return JSONResponse(body, problem.status, headers=headers, media_type="application/problem+json")


def wants_page(request: Request) -> bool:
    """Whether a person's browser asked: HTML is accepted and the path is none of the machines' ones."""
    machine = request.url.path.startswith(("/api/", "/intake/", "/metrics", "/healthz", "/openapi.json"))
    return not machine and "text/html" in request.headers.get("accept", "")


def request_id(request: Request) -> str:
    """The id that the perimeter gave this request."""
    return str(getattr(request.state, "request_id", ""))


def translate(error: Exception) -> tree.FirebreakError:
    """Whatever a framework raised, in our words."""
    if isinstance(error, tree.FirebreakError):
        return error
    if isinstance(error, RequestValidationError):
        return _invalid(error)
    if isinstance(error, HTTPException):
        return _framework(error)
    return tree.FirebreakError("Something broke on our side.", hint="Look into the app's log for the request id.")


def _invalid(error: RequestValidationError) -> tree.FirebreakError:
    rows = [f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors()]
    found = next((repr(e.get("input"))[:120] for e in error.errors()), "")
    return tree.FirebreakError(
        "The request is not what this endpoint takes.",
        expected="; ".join(rows)[:600],
        found=found,
        hint="See /openapi.json for the shape.",
        code="request.invalid",
    )


def _framework(error: HTTPException) -> tree.FirebreakError:
    if error.status_code == 404:
        return tree.NotFoundError("There is nothing at this address.", hint="Start at / or see /openapi.json.")
    code = "request.method_not_allowed" if error.status_code == 405 else "request.refused"
    return tree.FirebreakError(str(error.detail), hint="See /openapi.json for what this address takes.", code=code)


def allowed_methods(error: Exception) -> dict[str, str]:
    """`Allow`, which the router gives to its 405 (RFC 9110)."""
    given = error.headers if isinstance(error, HTTPException) else None
    return {"Allow": given["Allow"]} if given and "Allow" in given else {}


def install(app: FastAPI, page: Page) -> None:
    """Answer every error with a problem document, or with a page where a person is looking."""

    async def answer(request: Request, error: Exception) -> Response:
        ours = translate(error)
        problem = problem_of(ours, request_id(request))
        headers = {**allowed_methods(error), **headers_of(ours)}
        if wants_page(request):
            response = await page(request, problem)
            response.headers.update(headers)
            return response
        return problem_response(problem, headers)

    for kind in (tree.FirebreakError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, answer)


def problem_schema() -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says about errors."""
    content = {"application/problem+json": {"schema": Problem.model_json_schema()}}
    return {"default": {"content": content, "description": "Problem document (RFC 9457)"}}
