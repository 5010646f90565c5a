"""Approvals: a person's answer goes to the action server with the person's own token. This app holds no right to approve."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from domain.errors import ConflictError, FirebreakError
from domain.guard import REASONED, Approval, ApprovalAnswer, ApprovalStatus, Decision
from domain.value import Value
from web.bargain_pages import CHOICES
from web.login import landing
from web.pages import Pages
from web.persons import Caller
from web.ports import Ports


class Approvals(Value):
    """Newest first."""

    schema_version: str = "1"
    approvals: list[Approval] = []


def checked(answer: ApprovalAnswer) -> ApprovalAnswer:
    """The answer, when it says all it must. Raises FirebreakError (request.invalid)."""
    if answer.decision in REASONED and not answer.reason.strip():
        raise FirebreakError(
            f"To {answer.decision} needs a reason: others will read it.",
            expected="a few words in `reason`",
            found="nothing",
            code="request.invalid",
        )
    if (answer.args is not None) != (answer.decision is Decision.MODIFY):
        raise FirebreakError(
            "New arguments go with `modify`, and only with it.",
            expected="`args` exactly when the decision is modify",
            found=answer.decision,
            code="request.invalid",
        )
    return answer


def parsed_args(text: str) -> dict[str, Any]:
    """Arguments as typed into the form. Raises FirebreakError (request.invalid)."""
    try:
        args = json.loads(text)
    except ValueError as error:
        raise FirebreakError(
            "The arguments are not JSON.", expected="an object", found=str(error), code="request.invalid"
        ) from error
    if not isinstance(args, dict):
        raise FirebreakError(
            "The arguments are not an object.", expected='such as {"size": 10}', found=text[:80], code="request.invalid"
        )
    return args


def build(ports: Ports, pages: Pages) -> APIRouter:
    """Both halves."""
    router = APIRouter(tags=["approvals"])
    _api(router, ports)
    _pages(router, ports, pages)
    return router


def _api(router: APIRouter, ports: Ports) -> None:
    """The machines' half."""
    responder = ports.responder

    @router.get("/api/approvals", summary="Approvals, newest first")
    async def approvals(open: bool = False, incident: str | None = None) -> Approvals:
        """`open=true` leaves out what is answered or expired."""
        return Approvals(approvals=await responder.approvals(open_only=open, incident=incident))

    @router.post("/api/approvals/{approval_id}", summary="Answer an approval with your own token")
    async def answer(approval_id: str, answer: ApprovalAnswer, caller: Caller) -> Approval:
        """The first answer wins on every surface; a later one gets 409 and is told who was first."""
        return await responder.answer_approval(approval_id, checked(answer), caller.token)


def _pages(router: APIRouter, ports: Ports, pages: Pages) -> None:
    """The people's half."""
    responder = ports.responder

    @router.get("/approvals", include_in_schema=False)
    async def page(request: Request) -> HTMLResponse:
        now = ports.clock.now()
        found = await responder.approvals()
        waiting = [a for a in found if a.status is ApprovalStatus.OPEN and a.expires_at > now]
        answered = [a for a in found if a not in waiting][:50]
        tables = ports.bargains.all() if ports.bargains else []
        to_sign = [t for t in tables if t.signable]
        return await pages.render(
            request, "approvals.html", waiting=waiting, answered=answered, to_sign=to_sign, **CHOICES
        )

    @router.post("/approvals/{approval_id}", include_in_schema=False)
    async def submit(
        approval_id: str,
        caller: Caller,
        decision: Annotated[Decision, Form()],
        reason: Annotated[str, Form(max_length=500)] = "",
        args: Annotated[str, Form(max_length=20_000)] = "",
        back: Annotated[str, Form()] = "/approvals",
    ) -> RedirectResponse:
        changed = parsed_args(args) if decision is Decision.MODIFY else None
        given = checked(ApprovalAnswer(decision=decision, reason=reason, args=changed))
        try:
            await responder.answer_approval(approval_id, given, caller.token)
        except ConflictError as error:
            raise _too_late(error) from error
        return RedirectResponse(landing(back), 303)


def _too_late(error: ConflictError) -> ConflictError:
    return ConflictError(
        error.message,
        expected=error.expected or "an approval that is still open",
        found=error.found or "it was answered, it expired, or the state it was bound to has changed",
        hint=error.hint or "The incident's page shows what became of it.",
        code=error.code,
    )
