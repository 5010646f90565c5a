"""Stop everything, and let it act again: forwarded to the action server with the person's own token."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse

from domain.guard import GuardStatus
from domain.value import Value
from governance.guard.face import UnwindItem, UnwindReport
from web.login import landing
from web.persons import Caller
from web.ports import Ports


class Why(Value):
    """A person's reason, for the ledger."""

    reason: str = ""


class Killed(GuardStatus):
    """How the door stands after a freeze, and how long it took until nothing ran any more."""

    schema_version: str = "1"
    quiet_s: float
    """Seconds from the order until the last effect had ended or was stopped."""
    stopped: list[str] = []
    """Claims whose execution did not end by itself; their effect is read back."""


class Unwindable(Value):
    """Applied steps that can be taken back, in the order in which an unwind would."""

    schema_version: str = "1"
    items: list[UnwindItem] = []


class Unwound(Value):
    """What was taken back."""

    schema_version: str = "1"
    report: UnwindReport
    faults: dict[str, Any] = {}
    """What the chaos server says it restored."""


def build(ports: Ports) -> APIRouter:
    """Both halves."""
    router = APIRouter(tags=["kill switch"])
    door = ports.door

    @router.get("/api/status", summary="How the door stands: frozen or not, what is open, the ledger's head")
    async def status() -> GuardStatus:
        return await door.status()

    @router.post("/api/kill", summary="Freeze: no further effect of any kind")
    async def kill(caller: Caller, why: Why | None = None) -> Killed:
        report = await door.freeze(caller.token, (why or Why()).reason)
        return Killed(**report.status.model_dump(), quiet_s=report.quiet_s, stopped=report.stopped)

    @router.post("/api/resume", summary="Effects may happen again")
    async def resume(caller: Caller, why: Why | None = None) -> GuardStatus:
        return await _resume(ports, caller, (why or Why()).reason)

    @router.get("/api/unwind", summary="What an unwind would take back; changes nothing")
    async def unwind(caller: Caller) -> Unwindable:
        return Unwindable(items=list(await door.unwindable(caller.token)))

    @router.post("/api/unwind", summary="Take back what was applied, last one first, and what is broken on purpose")
    async def carry_out(caller: Caller, why: Why | None = None) -> Unwound:
        report = await door.unwind(caller.token)
        restored = await ports.drills.kill((why or Why()).reason or "unwound by a person") if ports.drills else {}
        return Unwound(report=report, faults=restored)

    @router.post("/kill", include_in_schema=False)
    async def kill_form(
        caller: Caller, reason: Annotated[str, Form(max_length=300)] = "", back: Annotated[str, Form()] = "/"
    ) -> RedirectResponse:
        await door.freeze(caller.token, reason)
        return RedirectResponse(landing(back), 303)

    @router.post("/resume", include_in_schema=False)
    async def resume_form(
        caller: Caller, reason: Annotated[str, Form(max_length=300)] = "", back: Annotated[str, Form()] = "/"
    ) -> RedirectResponse:
        await _resume(ports, caller, reason)
        return RedirectResponse(landing(back), 303)

    return router


async def _resume(ports: Ports, caller: Caller, reason: str) -> GuardStatus:
    """The door first, since it says whether this person may; then drills, which an unwind had stopped."""
    status = await ports.door.resume(caller.token, reason)
    if ports.drills:
        await ports.drills.resume()
    return status
