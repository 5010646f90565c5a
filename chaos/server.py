"""The chaos server: break, look, stop, kill; drills in the background. Authenticated, loopback, blind by default."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import Field, ValidationError

from chaos.agents import DEEDS, Disturbance, Disturber
from chaos.catalogue import summaries
from chaos.errors import ChaosError, InjectionRefusedError
from chaos.experiment import Request as Injection
from chaos.lease import Lease
from chaos.meters import Meters
from chaos.model import Magnitude
from chaos.room import Wish
from chaos.running import Running
from domain.drills import DrillRun
from domain.errors import AuthError, ConflictError, FirebreakError, NotFoundError, UpstreamError
from domain.value import Value
from governance.attribution import Condition

Opening = Callable[[], AbstractAsyncContextManager[Running]]
"""Opens everything the server needs and closes it at the end."""


class BreakBody(Value):
    """What to break, how hard and for how long."""

    magnitude: Magnitude = Magnitude.MEDIUM
    parameters: dict[str, Any] = {}
    duration_s: float = Field(default=120.0, gt=0, le=900)
    blind: bool = True


class DrillBody(Value):
    """Which drill. Without a fault one is drawn."""

    fault: str | None = None
    seed: int | None = None
    magnitude: Magnitude = Magnitude.MEDIUM
    parameters: dict[str, Any] = {}
    blind: bool = True
    approve: bool = False
    finish_s: float | None = Field(default=None, gt=0, le=840)


class DisturbBody(Value):
    """Whom, on which incident, and for how long."""

    agent: str = Field(default="responder", min_length=1, max_length=200)
    task: str = Field(min_length=1, max_length=200)
    duration_s: float = Field(default=60.0, gt=0, le=900)


class KillBody(Value):
    """Why everything shall stop."""

    reason: str = "asked for"


STATUS: tuple[tuple[type[FirebreakError], int], ...] = (
    (AuthError, 401),
    (NotFoundError, 404),
    (ConflictError, 409),
    (UpstreamError, 503),
    (ChaosError, 502),
    (FirebreakError, 500),
)
"""First match wins; the last row takes all."""


def build_chaos_server(opening: Opening, *, token: str, guard_token: str) -> FastAPI:
    """The application. `opening` is entered at startup; leaving it restores whatever is broken."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opening() as running:
            app.state.running = running
            recovering = asyncio.create_task(running.room.recover())
            yield
            await asyncio.gather(recovering, return_exceptions=True)

    app = FastAPI(title="Firebreak chaos server", version="1", lifespan=lifespan)
    _add_errors(app)
    _add_reading(app, token)
    _add_breaking(app, token)
    _add_injections(app, guard_token)
    _add_drills(app, token)
    _add_disturbances(app, token)
    return app


def _running(request: Request) -> Running:
    running: Running = request.app.state.running
    return running


Run = Annotated[Running, Depends(_running)]


def _disturber(running: Run) -> Disturber:
    if running.disturber is None:
        raise InjectionRefusedError(
            "agents cannot be disturbed here",
            expected="a store that agents share (REDIS_URL)",
            found="none",
            hint="`firebreak up` starts one; with SQLite each process keeps its own",
        )
    return running.disturber


Hand = Annotated[Disturber, Depends(_disturber)]


def _bearer(token: str) -> Any:
    def check(request: Request) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not token or not hmac.compare_digest(given.encode(), token.encode()):
            raise AuthError(
                "this needs the chaos token", expected="Authorization: Bearer <chaos token>", found="no valid one"
            )

    return Depends(check)


def _add_reading(app: FastAPI, token: str) -> None:
    @app.get("/healthz")
    async def healthz(running: Run) -> dict[str, Any]:
        return {"ok": True, "halted": running.database.halted() is not None}

    @app.get("/metrics", dependencies=[_bearer(token)])
    async def metrics(running: Run) -> Response:
        meters = Meters(running.database.leases())
        return Response(generate_latest(meters.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/faults", dependencies=[_bearer(token)])
    async def faults(running: Run) -> dict[str, Any]:
        return {"schema_version": "1", "faults": [row.model_dump(mode="json") for row in summaries(running.faults)]}

    @app.get("/status", dependencies=[_bearer(token)])
    async def status(running: Run) -> dict[str, Any]:
        return {
            "schema_version": "1",
            "halted": running.database.halted(),
            "active": [shown(lease) for lease in running.database.leases(unfinished=True)],
        }


def _add_breaking(app: FastAPI, token: str) -> None:
    @app.post("/break/{fault}", status_code=201, dependencies=[_bearer(token)])
    async def break_it(fault: str, running: Run, body: BreakBody | None = None) -> dict[str, Any]:
        wish = body or BreakBody()
        injection = Injection(
            fault=fault,
            magnitude=wish.magnitude,
            parameters=wish.parameters,
            lease_s=wish.duration_s,
            blind=wish.blind,
        )
        return shown(await running.room.inject(injection))

    @app.get("/break/{lease_id}", dependencies=[_bearer(token)])
    async def look(lease_id: str, running: Run) -> dict[str, Any]:
        return shown(running.database.get(lease_id))

    @app.post("/break/{lease_id}/stop", dependencies=[_bearer(token)])
    async def stop(lease_id: str, running: Run) -> dict[str, Any]:
        return shown(await running.room.stop(lease_id))

    @app.post("/kill", dependencies=[_bearer(token)])
    async def kill(running: Run, body: KillBody | None = None) -> dict[str, Any]:
        if running.disturber is not None:
            await running.disturber.close()
        restored = await running.room.halt((body or KillBody()).reason)
        return {"halted": running.database.halted(), "restored": [shown(lease) for lease in restored]}

    @app.post("/resume", dependencies=[_bearer(token)])
    async def resume(running: Run) -> dict[str, Any]:
        running.room.resume()
        return {"halted": None}


def _add_injections(app: FastAPI, guard_token: str) -> None:
    """For the guard alone: redeem a sealed wish once, look at it, take it back. Nothing of a label is said."""
    guarded: Any = {"dependencies": [_bearer(guard_token)]}

    @app.get("/injections/{commitment}", **guarded)
    async def standing(commitment: str, running: Run) -> dict[str, str]:
        return {"standing": running.room.gate.standing(commitment).value}

    @app.post("/injections/{commitment}/redeem", **guarded)
    async def redeem(commitment: str, running: Run) -> dict[str, str]:
        await running.room.gate.redeem(commitment)
        return {"standing": running.room.gate.standing(commitment).value}

    @app.post("/injections/{commitment}/restore", **guarded)
    async def restore(commitment: str, running: Run) -> dict[str, str]:
        await running.room.gate.restore_sealed(commitment, by="guard")
        return {"standing": running.room.gate.standing(commitment).value}


def _add_drills(app: FastAPI, token: str) -> None:
    @app.post("/drills", status_code=202, dependencies=[_bearer(token)])
    async def start(running: Run, body: DrillBody | None = None) -> dict[str, str]:
        wish = body or DrillBody()
        drill = await running.room.start(Wish(**{name: getattr(wish, name) for name in DrillBody.model_fields}))
        return {"id": drill}

    @app.get("/drills", dependencies=[_bearer(token)])
    async def drills(running: Run) -> dict[str, Any]:
        return {"schema_version": "1", "drills": [run.model_dump(mode="json") for run in running.room.runs()]}

    @app.get("/drills/{drill_id}", dependencies=[_bearer(token)])
    async def drill(drill_id: str, running: Run) -> DrillRun:
        return running.room.get(drill_id)


def _add_disturbances(app: FastAPI, token: str) -> None:
    """What is done to agents themselves. Each ends by itself; the action server knows of each beforehand, under seal."""

    @app.post("/conditions/{condition}", status_code=201, dependencies=[_bearer(token)])
    async def disturb(condition: Condition, hand: Hand, body: DisturbBody) -> Disturbance:
        return await hand.disturb(condition, body.agent, body.task, body.duration_s)

    @app.get("/conditions", dependencies=[_bearer(token)])
    async def conditions(hand: Hand) -> dict[str, Any]:
        rows = [row.model_dump(mode="json") for row in hand.active()]
        return {"schema_version": "1", "able": sorted(DEEDS), "active": rows}

    @app.post("/conditions/{disturbance}/stop", dependencies=[_bearer(token)])
    async def stop_disturbance(disturbance: str, hand: Hand) -> Disturbance:
        return await hand.stop(disturbance)


def shown(lease: Lease) -> dict[str, Any]:
    """A lease as it may be shown: the way back never, the label only when it is no secret (any more)."""
    sealed = lease.blind and not lease.state.finished
    hidden = {"undo", "note"} | ({"fault", "parameters", "magnitude"} if sealed else set())
    return {**lease.model_dump(mode="json", exclude=hidden), "sealed": sealed}


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(FirebreakError)
    async def failed(request: Request, error: FirebreakError) -> JSONResponse:
        return problem(status_of(error), error.code, error.message, error.expected, error.found, error.hint)

    @app.exception_handler(RequestValidationError)
    @app.exception_handler(ValidationError)
    async def invalid(request: Request, error: RequestValidationError | ValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        return problem(
            422, "request.invalid", f"{where}: {first['msg']}", first["msg"], str(first.get("input"))[:200], ""
        )


def status_of(error: FirebreakError) -> int:
    """HTTP status of an error."""
    return next(status for kind, status in STATUS if isinstance(error, kind))


def problem(status: int, code: str, detail: str, expected: str, found: str, hint: str) -> JSONResponse:
    """An RFC 9457 problem document."""
    body = {"type": "about:blank", "title": code, "status": status, "detail": detail, "code": code}
    body |= {"expected": expected, "found": found, "hint": hint}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")
