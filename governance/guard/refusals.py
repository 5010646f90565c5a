"""How the action server refuses: every error as one problem document, and what callers are told to expect."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from domain.errors import FirebreakError, GovernanceError, NotFoundError
from governance.guard.malformed import bearer, note_malformed
from governance.guard.problems import Problem, problem_of

PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {
        "content": {"application/problem+json": {"schema": Problem.model_json_schema()}},
        "description": text,
    }
    for code, text in {
        401: "no valid credential",
        403: "the credential may not do this",
        404: "not found",
        409: "not in a state that allows this",
        422: "not acceptable",
        503: "the ledger is not available",
    }.items()
}


def add_errors(app: FastAPI) -> None:
    """Answer every error of the app as a problem document; a malformed change is noted against whose token it bears."""

    @app.exception_handler(FirebreakError)
    async def ours(_: Request, error: FirebreakError) -> Response:
        return _answer(problem_of(error))

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        text = f"{where}: {first['msg']}"
        if request.method != "GET":
            token = bearer(request.headers.get("authorization", ""))
            note_malformed(request.app.state.guard.parts, token, f"{request.method} {request.url.path}", text)
        return _answer(
            problem_of(GovernanceError("the request is not valid", found=text[:400], code="request.invalid"))
        )

    @app.exception_handler(HTTPException)
    async def plain(request: Request, error: HTTPException) -> Response:
        problem = problem_of(NotFoundError(str(error.detail), found=f"{request.method} {request.url.path}"[:200]))
        found = problem.model_copy(update={"status": error.status_code, "code": f"http.{error.status_code}"})
        return _answer(found, {**(error.headers or {})})


def _answer(problem: Problem, more: dict[str, str] | None = None) -> Response:
    """`more` are headers that the router gave, such as the `Allow` of a 405."""
    headers = {**(more or {}), **({"WWW-Authenticate": "Bearer"} if problem.status == 401 else {})}
    return JSONResponse(
        problem.model_dump(), status_code=problem.status, media_type="application/problem+json", headers=headers
    )
