"""The action server: the guard over HTTP. The only process that holds an executor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request
from fastapi import Path as PathParam

from domain.guard import (
    Approval,
    ApprovalAnswer,
    EntriesFound,
    EntrySearch,
    GuardStatus,
    LedgerEntry,
    LedgerVerification,
    Receipt,
    Withdrawal,
)
from domain.value import UtcTime
from governance.guard import people
from governance.guard.agents_server import ROUTES as AGENTS
from governance.guard.bodies import (
    Approvals,
    Done,
    Entries,
    Health,
    JudgeBody,
    Judgements,
    LabelBody,
    ReasonBody,
    RecordBody,
    ShadowedSteps,
    Specs,
    StepBody,
    Unwindable,
    UnwindBody,
)
from governance.guard.body_limit import BodyLimit
from governance.guard.face import FreezeReport, UnwindReport
from governance.guard.freeze import frozen_words
from governance.guard.guard import GuardedExecutor
from governance.guard.heartbeats import watch_forever
from governance.guard.malformed import bearer, note_malformed
from governance.guard.people import SignIn
from governance.guard.refusals import PROBLEMS, add_errors
from governance.guard.session import Session
from governance.pulse import Pulses
from governance.shadow import Shadowed

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

    app = FastAPI(title="Firebreak action server", version="1", lifespan=lifespan, responses=PROBLEMS)
    app.state.guard = guard
    app.state.sign_in = sign_in
    app.add_middleware(
        BodyLimit, tell=lambda header, where, why: note_malformed(guard.parts, bearer(header), where, why)
    )
    app.include_router(_ROUTES)
    app.include_router(AGENTS)
    app.include_router(people.ROUTES)
    add_errors(app)
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
    return Session(guard, bearer(authorization))


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


@_ROUTES.post("/v1/approvals/{approval_id}/withdraw")
async def withdraw(session: Holder, approval_id: str, body: Withdrawal) -> Approval:
    """The proposer takes an unanswered question back."""
    return await session.withdraw(approval_id, body)


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
