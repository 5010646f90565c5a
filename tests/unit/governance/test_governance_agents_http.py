"""Agents over HTTP: every endpoint through the real client, and revocations that come in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from domain.action import Outcome, Tier, Verdict
from domain.errors import ConflictError, NotFoundError
from governance.attribution import Suspicion
from governance.baselines import NoBaselines, changed, pin, pinned
from governance.charging import charge
from governance.guard.agents_client import HttpAgents
from governance.guard.claim import ClaimOnce
from governance.guard.client import HttpGuard
from governance.guard.server import build_action_server
from governance.ledger.memory import MemoryLedger
from governance.revocation import revoke
from governance.seats import grant
from governance.violations import Violation
from tests.fakes.guard import RESTART, SCALE, TOKENS, Scene, actor, call, plan, with_code


@asynccontextmanager
async def knocking(scene: Scene, name: str) -> AsyncIterator[HttpGuard]:
    transport = httpx.ASGITransport(app=build_action_server(scene.guard))
    async with HttpGuard("http://action-server", TOKENS[name][0], transport) as guard:
        yield guard


async def test_every_endpoint_of_agents() -> None:
    """Listed, shown, moved, revoked, given back, overturned, reviewed."""
    scene = Scene()
    with scene.store.transaction() as tx:
        made = charge(
            tx,
            Suspicion(violation=Violation.MISSING_ARTIFACT, agent="responder", change="inc-1", what="seen"),
            scene.policy,
        )
    async with knocking(scene, "operator") as person:
        agents = HttpAgents(person)
        assert [a.agent for a in await agents.all()] == ["chaos", "responder"]
        assert (await agents.detail("responder")).next_tier is Tier.T2
        assert (await agents.demote("responder", {"reason": "quiet"})).tier is Tier.T0
        up: dict[str, Any] = {"to": "T3", "waive": True, "reason": "back again"}
        assert (await agents.promote("responder", up)).tier is Tier.T3
        assert (await agents.overturn(made.id, "it was there")).consequence == "overturned"
        assert (await agents.revoke("responder", "look")).agent == "responder"
        assert (await agents.reinstate("responder", "fine")).moved
        assert (await agents.review("watcher", "plan-1", right=True)).kind == "review"
        assert (await agents.detail("watcher")).record[0].action == "plan"
        assert (await agents.review("responder", "plan-2", right=True)).kind == "review"
        history = await person.call("/v1/agents/responder/history")
        assert {"review", "reinstatement", "revocation", "demotion", "overturned"} <= {
            t["kind"] for t in history["turns"]
        }
        with pytest.raises(NotFoundError):
            await agents.detail("nobody")
    await scene.guard.quiet()


async def test_every_endpoint_of_findings() -> None:
    """Listed, accepted, closed; a second time is a conflict."""
    scene = Scene()
    with scene.store.transaction() as tx:
        suspicion = Suspicion(violation=Violation.MISSING_ARTIFACT, agent="responder", change="inc-1", what="seen")
        charge(tx, suspicion, scene.policy)
    async with knocking(scene, "operator") as person:
        agents = HttpAgents(person)
        [finding] = await agents.findings()
        assert (await agents.accept_finding(finding.id)).state == "accepted"
        assert (await agents.close_finding(finding.id, "a week without it")).state == "fixed"
        with pytest.raises(ConflictError):
            await agents.accept_finding(finding.id)


async def test_a_revocation_between_claim_and_dispatch_stops_the_step() -> None:
    """Looked at once more in the transaction that dispatches."""
    scene = Scene()

    def revoked() -> None:
        with scene.store.transaction() as tx:
            revoke(tx, agent="responder", by="maria", why="just now")

    scene = scene.again(wrappers=with_code(ClaimOnce, revoked))
    await scene.agent.judge(plan(RESTART), actor())
    receipt = await scene.agent.apply("plan-1", "s1", actor())
    assert receipt.verdict is Verdict.DENY
    assert any(r.wrapper == "revocation" for r in receipt.reasons)
    assert scene.executor.executed == []


async def test_only_the_revoked_agents_steps_are_cut_off() -> None:
    """Another agent's running step ends as it would have."""
    scene = Scene()
    with scene.store.transaction() as tx:
        grant(tx, agent="other", tier=Tier.T1, policy=scene.policy, by="operator", why="test")
    scene.executor.hold = asyncio.Event()
    await scene.agent.judge(plan(SCALE), actor())
    await scene.agent.judge(plan(RESTART, id="plan-2", incident="inc-2"), actor("other", "inc-2"))
    other = asyncio.ensure_future(scene.agent.apply("plan-2", "s1", actor("other", "inc-2")))
    while scene.executor.world["api"]["state"] != "running":
        await asyncio.sleep(0)
    report = await scene.guard.trust.revoke("responder", by="maria", why="looks odd")
    assert report.stopped == []
    scene.executor.hold.set()
    assert (await other).outcome is Outcome.SUCCEEDED
    await scene.guard.quiet()


async def test_effects_without_an_execute_phase_do_not_fit() -> None:
    """The walk that a run reports is held against what the ledger knows."""
    scene = Scene()
    await scene.agent.judge(plan(RESTART), actor())
    await scene.agent.apply("plan-1", "s1", actor())
    report = {"agent": "responder", "run": "r-1", "outcome": "healthy", "artifacts": ["verification", "brief"]}
    await scene.agent.record("closing", "inc-1", {**report, "phases": ["BOOTSTRAP", "PREFLIGHT", "PACKAGE"]})
    [made] = await asyncio.to_thread(lambda: [e for e in scene.store.entries(limit=99) if e.kind == "violation"])
    assert "no EXECUTE phase" in made.content["what"]
    await scene.guard.quiet()


async def test_a_closed_run_changes_nothing_more() -> None:
    """And an agent without a run id has nothing to close."""
    scene = Scene()
    await scene.agent.judge(plan(RESTART), actor())
    nameless = actor().model_copy(update={"run": ""})
    assert (await scene.agent.apply("plan-1", "s1", nameless)).outcome is Outcome.SUCCEEDED
    report = {"agent": "responder", "run": "r-1", "outcome": "mitigated", "artifacts": ["verification", "brief"]}
    walk = ["BOOTSTRAP", "PREFLIGHT", "PLAN", "EXECUTE", "VERIFY", "PACKAGE", "REPORT", "EXIT"]
    await scene.agent.record("closing", "inc-1", {**report, "phases": walk})
    await scene.agent.judge(plan(call("scale_pool", size=8), id="plan-2"), actor())
    receipt = await scene.agent.apply("plan-2", "s1", actor())
    assert "was closed in L" in receipt.summary
    await scene.guard.quiet()


async def test_baselines_that_did_not_change_write_nothing() -> None:
    """Pinned once; an installation without any has none."""
    ledger = MemoryLedger()
    with ledger.transaction() as tx:
        pin(tx, {"a": "1"})
        pin(tx, {"a": "1"})
    assert len(ledger.rows) == 2
    assert pinned(ledger) == {"a": "1"}
    assert changed({"a": "1", "b": "2"}, {"a": "1"}) == ["b"]
    assert await NoBaselines().digests() == {}
