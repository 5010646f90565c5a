"""The action server: the guard over HTTP. The only process that holds an executor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi import Path as PathParam
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import Field
from starlette.exceptions import HTTPException

from domain.action import ActionSpec, Judgement
from domain.errors import FirebreakError, GovernanceError, NotFoundError
from domain.guard import (
    Actor,
    Approval,
    ApprovalAnswer,
    EntriesFound,
    EntrySearch,
    GuardStatus,
    LedgerEntry,
    LedgerVerification,
    Receipt,
)
from domain.plan import Plan
from domain.value import UtcTime, Value
from governance.guard import people
from governance.guard.agents_server import ROUTES as AGENTS
from governance.guard.body_limit import BodyLimit
from governance.guard.face import FreezeReport, UnwindItem, UnwindReport
from governance.guard.freeze import frozen_words
from governance.guard.guard import GuardedExecutor, Session
from governance.guard.heartbeats import watch_forever
from governance.guard.malformed import bearer, note_malformed
from governance.guard.people import SignIn
from governance.guard.problems import Problem, problem_of
from governance.pulse import Pulses
from governance.shadow import Agreement, Shadowed

Id = Annotated[str, Field(min_length=1, max_length=200)]


class JudgeBody(Value):
    """`POST /v1/judge`."""

    plan: Plan
    actor: Actor


class StepBody(Value):
    """`POST /v1/apply` and `/v1/compensate`."""

    plan_id: Id
    step_id: Id
    actor: Actor
    approval_id: Id | None = None


class ReasonBody(Value):
    """`POST /v1/freeze` and `/v1/resume`."""

    reason: Annotated[str, Field(max_length=1000)] = ""


class UnwindBody(Value):
    """`POST /v1/unwind`."""

    change: Id | None = None


class RecordBody(Value):
    """`POST /v1/ledger`."""

    kind: Annotated[str, Field(max_length=40)]
    change: Annotated[str, Field(max_length=200)]
    content: dict[str, Any]


class Judgements(Value):
    """Answer of `/v1/judge`."""

    judgements: list[Judgement]


class Specs(Value):
    """Answer of `/v1/specs`."""

    specs: list[ActionSpec]


class Approvals(Value):
    """Answer of `/v1/approvals`."""

    approvals: list[Approval]


class Entries(Value):
    """Answer of `/v1/ledger`. `next` is the `after` of the following page, or null at the end."""

    entries: list[LedgerEntry]
    next: int | None


class Unwindable(Value):
    """Answer of `GET /v1/unwind`."""

    items: list[UnwindItem]


class LabelBody(Value):
    """`POST /v1/shadow/{proposal}`."""

    label: Agreement


class ShadowedSteps(Value):
    """Answer of `GET /v1/shadow`."""

    proposals: list[Shadowed]


class Done(Value):
    """Answer of `/v1/changes/…`."""

    change: str


class Health(Value):
    """Answer of `/healthz`; says nothing that needs a credential."""

    status: str
    frozen: bool


_PROBLEMS: dict[int | str, dict[str, Any]] = {
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


_ROUTES = APIRouter()


def build_action_server(guard: GuardedExecutor, sign_in: SignIn | None = None, pulses: Pulses | None = None) -> FastAPI:
    """The application. At start it resolves what an earlier process left unresolved.

    While it serves it looks after the heartbeats of the agents that ask it, where `pulses` says where they are read.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None, None]:
        await guard.recover()
        async with _watched(guard, pulses):
            yield
        await guard.quiet()
        guard.parts.ledger.close()

    app = FastAPI(title="Firebreak action server", version="1", lifespan=lifespan, responses=_PROBLEMS)
    app.state.guard = guard
    app.state.sign_in = sign_in
    app.add_middleware(
        BodyLimit, tell=lambda header, where, why: note_malformed(guard.parts, bearer(header), where, why)
    )
    app.include_router(_ROUTES)
    app.include_router(AGENTS)
    app.include_router(people.ROUTES)
    _add_errors(app)
    return app


@asynccontextmanager
async def _watched(guard: GuardedExecutor, pulses: Pulses | None) -> AsyncGenerator[None, None]:
    if pulses is None:
        yield
        return
    watch = asyncio.create_task(watch_forever(lambda: guard.trust.check_pulses(pulses)), name="heartbeats")
    try:
        yield
    finally:
        watch.cancel()
        await asyncio.wait([watch])


def _session(request: Request, authorization: Annotated[str, Header()] = "") -> Session:
    guard: GuardedExecutor = request.app.state.guard
    return guard.held_by(bearer(authorization))


Holder = Annotated[Session, Depends(_session)]
Change = Annotated[str | None, Query(max_length=200)]
ChangeId = Annotated[str, PathParam(min_length=1, max_length=200)]


@_ROUTES.get("/healthz")
async def healthz(request: Request) -> Health:
    """Whether the door stands and can remember; needs no credential."""
    parts = request.app.state.guard.parts
    parts.ledger.head()
    return Health(status="ok", frozen=bool(frozen_words(parts.ledger)))


@_ROUTES.get("/v1/specs")
async def specs(session: Holder) -> Specs:
    """All registered actions."""
    return Specs(specs=await session.specs())


@_ROUTES.post("/v1/judge")
async def judge(session: Holder, body: JudgeBody) -> Judgements:
    """Pin a plan and judge every step of it."""
    return Judgements(judgements=await session.judge(body.plan, body.actor))


@_ROUTES.post("/v1/apply")
async def apply(session: Holder, body: StepBody) -> Receipt:
    """Carry out one step of a judged plan, once."""
    return await session.apply(body.plan_id, body.step_id, body.actor, body.approval_id)


@_ROUTES.post("/v1/compensate")
async def compensate(session: Holder, body: StepBody) -> Receipt:
    """Take one applied step back."""
    return await session.compensate(body.plan_id, body.step_id, body.actor)


@_ROUTES.get("/v1/status")
async def status(session: Holder) -> GuardStatus:
    """Frozen or not, and what is open."""
    return await session.status()


@_ROUTES.get("/v1/approvals")
async def approvals(session: Holder, open: bool = False, change: Change = None) -> Approvals:
    """Approvals, newest first."""
    return Approvals(approvals=await session.approvals(open_only=open, change=change))


@_ROUTES.get("/v1/approvals/{approval_id}")
async def approval(session: Holder, approval_id: str) -> Approval:
    """One approval as it stands now."""
    return await session.approval(approval_id)


@_ROUTES.post("/v1/approvals/{approval_id}/answer")
async def answer(session: Holder, approval_id: str, body: ApprovalAnswer) -> Approval:
    """A person's answer; the first one wins."""
    return await session.answer(approval_id, body)


@_ROUTES.post("/v1/freeze")
async def freeze(session: Holder, body: ReasonBody | None = None) -> FreezeReport:
    """Stop all effects."""
    return await session.freeze(body.reason if body else "")


@_ROUTES.post("/v1/resume")
async def resume(session: Holder, body: ReasonBody | None = None) -> GuardStatus:
    """Allow effects again."""
    return await session.resume(body.reason if body else "")


@_ROUTES.get("/v1/unwind")
async def unwindable(session: Holder, change: Change = None) -> Unwindable:
    """What an unwind would take back."""
    return Unwindable(items=await session.unwindable(change))


@_ROUTES.post("/v1/unwind")
async def unwind(session: Holder, body: UnwindBody | None = None) -> UnwindReport:
    """Take back what was applied, last one first."""
    return await session.unwind(body.change if body else None)


@_ROUTES.post("/v1/changes/{change}/take")
async def take(session: Holder, change: ChangeId, body: ReasonBody | None = None) -> Done:
    """A person takes a change over; its agents stand back."""
    await session.take(change, body.reason if body else "")
    return Done(change=change)


@_ROUTES.post("/v1/changes/{change}/give-back")
async def give_back(session: Holder, change: ChangeId, body: ReasonBody | None = None) -> Done:
    """A person lets the agents work on it again."""
    await session.give_back(change, body.reason if body else "")
    return Done(change=change)


@_ROUTES.get("/v1/shadow")
async def shadowed(session: Holder, since: UtcTime) -> ShadowedSteps:
    """What would have been done in shadow mode, newest first."""
    return ShadowedSteps(proposals=await session.shadowed(since))


@_ROUTES.post("/v1/shadow/{proposal}")
async def label_shadow(session: Holder, proposal: str, body: LabelBody) -> Shadowed:
    """A person's word on how it compares with what happened."""
    return await session.label_shadow(proposal, body.label)


@_ROUTES.get("/v1/ledger")
async def entries(
    session: Holder,
    after: Annotated[int, Query(ge=-1, lt=2**53)] = -1,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    change: Change = None,
) -> Entries:
    """Entries after a sequence number, oldest first."""
    found = await session.ledger(after=after, limit=limit, change=change)
    return Entries(entries=found, next=found[-1].seq if len(found) == limit else None)


@_ROUTES.get("/v1/ledger/search")
async def search(session: Holder, wanted: Annotated[EntrySearch, Query()]) -> EntriesFound:
    """Entries that match, newest first."""
    return await session.search(wanted)


@_ROUTES.get("/v1/ledger/verify")
async def verify(session: Holder) -> LedgerVerification:
    """Walk the whole chain."""
    return await session.verify()


@_ROUTES.post("/v1/ledger")
async def record(session: Holder, body: RecordBody) -> LedgerEntry:
    """Add an entry of a kind that this credential may write."""
    return await session.record(body.kind, body.change, body.content)


def _add_errors(app: FastAPI) -> None:
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
