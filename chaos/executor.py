"""The executor side of injections, for the action server: its effect happens in the chaos process, and only there."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Any

from chaos.gate import Standing
from chaos.http import Http
from domain.action import ActionCall, ActionResult, ActionSpec, DryRun, DryRunResult, Outcome
from domain.errors import FirebreakError, ToolError
from domain.zone import INJECT, restore_call, zone_specs

_SEAL = re.compile(r"[0-9a-f]{64}")
PATIENCE_S = 85.0
"""A fault is prepared, injected and proven within this time."""


class InjectionExecutor:
    """Implements domain.action.Executor over the chaos server's routes for the guard. Knows seals, never labels."""

    def __init__(self, http: Http, url: str, token: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._token = token
        self._specs = {spec.name: spec for spec in zone_specs()}

    def spec(self, action: str) -> ActionSpec | None:
        return self._specs.get(action)

    def specs(self) -> list[ActionSpec]:
        return list(self._specs.values())

    def check(self, call: ActionCall) -> ActionCall:
        seal, lease_s = call.args.get("commitment"), call.args.get("lease_s")
        fine = isinstance(seal, str) and _SEAL.fullmatch(seal) and set(call.args) == {"commitment", "lease_s"}
        if not fine or isinstance(lease_s, bool) or not isinstance(lease_s, int | float) or not 0 < lease_s <= 1200:
            raise ToolError(
                "these are no arguments of an injection",
                expected="commitment (64 hex digits) and lease_s (at most 1200 seconds), nothing else",
                found=str(call.args)[:200],
                code="tool.arguments",
            )
        return call

    async def dry_run(self, call: ActionCall) -> DryRunResult:
        found = await self._standing(call)
        wanted = Standing.WAITING if call.action == INJECT else Standing.ACTIVE
        if call.action == INJECT and found is Standing.ABSENT:
            raise ToolError("nothing waits under this seal", expected="a wish of the chaos server", found=found.value)
        answer = DryRun.WOULD_CHANGE if found is wanted else DryRun.NO_CHANGE
        return DryRunResult(answer=answer, summary=f"{call.action}: the sealed fault is {found.value}")

    async def execute(self, call: ActionCall, *, idempotency_key: str) -> ActionResult:
        path = "redeem" if call.action == INJECT else "restore"
        try:
            said = await self._ask("POST", call, f"/{path}", timeout_s=PATIENCE_S)
        except asyncio.CancelledError:
            if call.action == INJECT:
                await asyncio.shield(self._abandon(call))
            raise
        return self._result(call, Standing(said["standing"]))

    async def read_back(self, call: ActionCall, result: ActionResult | None) -> ActionResult:
        return self._result(call, await self._standing(call))

    async def _standing(self, call: ActionCall) -> Standing:
        return Standing((await self._ask("GET", call, "", timeout_s=5.0))["standing"])

    async def _abandon(self, call: ActionCall) -> None:
        """The guard stopped this: the chaos process stops too and takes back what it began."""
        with contextlib.suppress(FirebreakError):
            await self._ask("POST", call, "/restore", timeout_s=PATIENCE_S)

    def _result(self, call: ActionCall, found: Standing) -> ActionResult:
        wanted = Standing.ACTIVE if call.action == INJECT else Standing.RESTORED
        undo = restore_call(call.args["commitment"], call.args["lease_s"]) if call.action == INJECT else None
        there = found is wanted
        return ActionResult(
            outcome=Outcome.SUCCEEDED if there else Outcome.FAILED,
            summary=f"the sealed fault is {found.value}",
            after={"standing": found.value},
            undo=undo if there else None,
        )

    async def _ask(self, method: str, call: ActionCall, path: str, *, timeout_s: float) -> Any:
        url = f"{self._url}/injections/{call.args['commitment']}{path}"
        return await self._http.json(method, url, token=self._token, timeout_s=timeout_s)
