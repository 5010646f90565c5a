"""No fault without the guard: every wrapper applies to injections, the label stays sealed, the way back stays open."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from chaos.executor import InjectionExecutor
from chaos.http import Http
from domain.action import ActionCall, Verdict
from domain.errors import AuthError, ToolError
from domain.inventory import Environment, Mode
from domain.zone import INJECT, RESTORE, ZONE, inject_call, with_zone
from governance.claims import ClaimState, find_claims
from governance.guard.switch import freeze
from governance.identity import Right
from governance.policy import load_policy
from tests.fakes.executor import sandbox_inventory
from tests.fakes.guard import TOKENS, actor, call, plan
from tests.fakes.guarded_chaos import GUARD, Together, guarded_chaos, zone_inventory

SEAL = "ab" * 32


def kinds(together: Together) -> list[str]:
    return [entry.kind for entry in together.scene.store.entries(limit=500)]


async def broken(together: Together, **body: Any) -> tuple[int, Any]:
    return await together.chaos("POST", "/break/wound", {"duration_s": 60, **body})


async def test_the_intent_stands_in_the_ledger_before_the_fault(tmp_path: Path) -> None:
    """Judged, claimed, intended; then it is broken; then the outcome and its read-back are written."""
    async with guarded_chaos(tmp_path) as together:
        seen: list[list[str]] = []
        fault: Any = together.running.faults["wound"]
        real = fault.inject

        async def watched(*args: Any) -> None:
            seen.append(kinds(together))
            await real(*args)

        fault.inject = watched
        status, lease = await broken(together)
        assert (status, together.world.broken) == (201, True)
        assert seen[0][-1] == "intent"
        assert kinds(together)[-3:] == ["effect", "read_back", "injection"]
        [claim] = find_claims(together.scene.store)
        assert claim.state is ClaimState.CONFIRMED
        assert claim.call.action == INJECT
        everything = str([entry.content for entry in together.scene.store.stream()])
        assert "wound" not in everything
        assert lease["sealed"] is True


@pytest.mark.parametrize(
    ("member", "words"),
    [
        ({"mode": Mode.OBSERVE}, "only looked at"),
        ({"mode": Mode.SHADOW}, "never carried out"),
        ({"environment": Environment.STAGING}, "needs at least"),
    ],
)
async def test_mode_and_tier_hold_for_the_whole_zone(tmp_path: Path, member: dict[str, Any], words: str) -> None:
    """The zone is as strict as its strictest member; a no leaves nothing broken and stands in the ledger."""
    async with guarded_chaos(tmp_path, zone_inventory(**member)) as together:
        status, body = await broken(together)
        assert status == 409
        assert words in body["found"]
        assert not together.world.broken
        assert {"refusal", "shadow"} & set(kinds(together))
        assert together.running.database.leases() == []


async def test_a_frozen_door_breaks_nothing(tmp_path: Path) -> None:
    """Freeze holds for chaos as for everyone."""
    async with guarded_chaos(tmp_path) as together:
        await together.scene.operator.freeze("stop")
        status, body = await broken(together)
        assert status == 409
        assert "frozen" in body["found"]
        assert not together.world.broken


async def test_nobody_else_redeems_a_seal(tmp_path: Path) -> None:
    """The routes of the guard need the guard's token; a seal without a waiting wish is worth nothing, and works once."""
    async with guarded_chaos(tmp_path) as together:
        for token in ("", "wrong", "chaos-servers-own-token"):
            assert (await together.chaos("POST", f"/injections/{SEAL}/redeem", token=token))[0] == 401
        assert (await together.chaos("POST", f"/injections/{SEAL}/redeem", token=GUARD))[0] == 404
        assert (await together.chaos("POST", f"/injections/{SEAL}/restore", token=GUARD))[0] == 404
        assert (await together.chaos("GET", f"/injections/{SEAL}", token=GUARD))[1] == {"standing": "absent"}
        await broken(together)
        [lease] = together.running.database.leases()
        assert (await together.chaos("POST", f"/injections/{lease.commitment}/redeem", token=GUARD))[0] == 404


async def test_agents_inject_nothing_and_chaos_does_nothing_else(tmp_path: Path) -> None:
    """Each token is good for its own kind of change."""
    async with guarded_chaos(tmp_path) as together:
        with pytest.raises(AuthError):
            await together.scene.agent.judge(plan(inject_call(SEAL, 60)), actor())
        with pytest.raises(AuthError):
            await together.scene.session("chaos").judge(plan(call("restart_service")), actor("chaos"))
        assert kinds(together)[-2:] == ["refusal", "refusal"]


async def test_an_unwind_takes_standing_faults_back_even_while_frozen(tmp_path: Path) -> None:
    """A person sees it on the list and orders it; afterwards nothing is left to do."""
    async with guarded_chaos(tmp_path) as together:
        await broken(together)
        await together.scene.operator.freeze("enough")
        [item] = await together.scene.operator.unwindable()
        assert (item.applied.action, item.undo.action) == (INJECT, RESTORE)
        report = await together.scene.operator.unwind()
        assert report.complete
        assert not together.world.broken
        assert await together.scene.operator.unwindable() == []


async def test_a_fault_whose_lease_ended_is_nothing_to_unwind(tmp_path: Path) -> None:
    """Stopped by its examiner: off the list. Taken back by somebody who told nobody: found to be gone, and skipped."""
    async with guarded_chaos(tmp_path) as together:
        _, lease = await broken(together)
        await together.chaos("POST", f"/break/{lease['id']}/stop")
        assert await together.scene.operator.unwindable() == []
        _, lease = await broken(together)
        await together.running.room.gate.restore(lease["id"], by="reaper")
        report = await together.scene.operator.unwind()
        assert report.complete
        assert [receipt.outcome.value for receipt in report.receipts] == ["skipped"]


async def test_freezing_in_mid_injection_stops_it_and_takes_it_back(tmp_path: Path) -> None:
    """What hangs is stopped after the grace time; nothing of it stays."""
    async with guarded_chaos(tmp_path) as together:
        fault: Any = together.running.faults["wound"]
        real = fault.inject
        stuck = asyncio.Event()

        async def hanging(*args: Any) -> None:
            await real(*args)
            await stuck.wait()

        fault.inject = hanging
        asked = asyncio.ensure_future(broken(together))
        while not together.world.broken:
            await asyncio.sleep(0)
        guard = together.scene.guard
        operator = guard.holder(TOKENS["operator"][0], Right.ANSWER)
        report = await freeze(guard.parts, operator, "stop", grace_s=0.05)
        assert len(report.stopped) == 1
        status, _ = await asked
        assert status in {409, 502}
        assert not together.world.broken


async def test_under_the_production_rules_the_cure_is_asked_for_not_the_drill(tmp_path: Path) -> None:
    """The policy rehearses production on a sandbox; the fault is injected into the sandbox."""
    async with guarded_chaos(tmp_path, policy=load_policy("production")) as together:
        assert (await broken(together))[0] == 201
        [judged] = await together.scene.agent.judge(plan(call("restart_service")), actor())
        assert judged.verdict is Verdict.ASK


async def test_a_fault_that_does_not_take_is_told_as_such(tmp_path: Path) -> None:
    """The chaos server's own words reach whoever asked; the ledger says failed."""
    async with guarded_chaos(tmp_path) as together:
        fault: Any = together.running.faults["wound"]

        async def nothing(*_: Any) -> None:
            return None

        fault.inject = nothing
        status, body = await broken(together)
        assert status == 502
        assert "did not take" in body["detail"]
        assert find_claims(together.scene.store)[0].state is ClaimState.FAILED


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"commitment": "x", "lease_s": 60},
        {"commitment": SEAL, "lease_s": 0},
        {"commitment": SEAL, "lease_s": True},
        {"commitment": SEAL, "lease_s": 60, "fault": "wound"},
    ],
)
def test_arguments_of_an_injection_are_checked(tmp_path: Path, args: dict[str, Any]) -> None:
    """A seal and a lease, nothing that could name a fault."""
    executor = InjectionExecutor(Http(), "http://x", "t")
    with pytest.raises(ToolError):
        executor.check(ActionCall(action=INJECT, target=ZONE, args=args))
    assert {spec.name for spec in executor.specs()} == {INJECT, RESTORE}


def test_without_chaos_there_is_no_zone() -> None:
    """An inventory that allows no chaos has no target for an injection."""
    assert with_zone(sandbox_inventory()) == sandbox_inventory()
