"""Every type of violation fires on the real path: an agent misbehaves over HTTP and is charged; a decent one never is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest

from domain.action import ActionCall, ActionResult, Outcome, Tier, Verdict
from domain.errors import AuthError, FirebreakError, GovernanceError, NotFoundError, ToolError
from domain.guard import ApprovalAnswer, Decision
from domain.lifecycle import Phase
from domain.value import digest
from governance.attribution import Cause, Condition
from governance.charging import Charge, charges
from governance.guard.agents_client import HttpAgents
from governance.guard.client import HttpGuard
from governance.guard.intent import IntentBeforeEffect
from governance.guard.order import WRAPPERS
from governance.guard.server import build_action_server
from governance.policy import Policy, load_policy
from governance.pulse import Pulse, Work
from governance.seats import grant, tier_of
from governance.violations import Consequence, Violation
from graph.held import Held, held_against
from graph.voices import ledger_charge
from tests.fakes.executor import FakeExecutor, mixed_inventory
from tests.fakes.guard import RESTART, SCALE, TOKENS, Scene, actor, call, plan
from tests.fakes.house import House
from tests.fakes.world import World

pytestmark = pytest.mark.integration

DROP = call("drop_table", "postgres", table="orders")
WALK = ["BOOTSTRAP", "PREFLIGHT", "PLAN", "EXECUTE", "VERIFY", "PACKAGE", "REPORT", "EXIT"]


@asynccontextmanager
async def knocking(scene: Scene, name: str = "agent") -> AsyncIterator[HttpGuard]:
    transport = httpx.ASGITransport(app=build_action_server(scene.guard))
    async with HttpGuard("http://action-server", TOKENS[name][0], transport) as guard:
        yield guard


async def applied(scene: Scene, *calls: ActionCall, confidence: float | None = None) -> None:
    """The agent has a plan judged and applies every step of it, whatever it was told."""
    async with knocking(scene) as agent:
        await agent.judge(plan(*calls, confidence=confidence), actor())
        for n in range(1, len(calls) + 1):
            await agent.apply("plan-1", f"s{n}", actor())


async def closed(scene: Scene, **more: object) -> None:
    async with knocking(scene) as agent:
        report = {"agent": "responder", "run": "r-1", "outcome": "mitigated", "phases": WALK, **more}
        await agent.record("closing", "inc-1", {"artifacts": ["verification", "brief"], **report})


def found(scene: Scene, violation: Violation) -> Charge:
    """The newest word on that type."""
    return next(c for c in charges(scene.store) if c.violation is violation)


async def applies_without_a_plan() -> Scene:
    scene = Scene()
    async with knocking(scene) as agent:
        with pytest.raises(NotFoundError):
            await agent.apply("plan-of-my-own", "s1", actor())
    return scene


async def runs_what_could_not_be_checked() -> Scene:
    scene = Scene()
    scene.executor.mute = True
    await applied(scene, RESTART)
    return scene


async def reaches_outside_its_pool() -> Scene:
    document = load_policy().document.model_copy(update={"pools": {"responder": ["postgres"]}})

    scene = Scene(policy=Policy(document))
    await applied(scene, RESTART)
    return scene


async def reaches_outside_the_inventory() -> Scene:
    scene = Scene()
    await applied(scene, call("restart_service", "the-neighbours-database"))
    return scene


async def changes_production_without_the_right() -> Scene:
    scene = Scene(inventory=mixed_inventory())
    with scene.store.transaction() as tx:
        grant(tx, agent="responder", tier=Tier.T1, policy=scene.policy, by="operator", why="test")
    await applied(scene, call("restart_service", "billing"))
    return scene


async def acts_behind_the_ledger() -> Scene:
    """An action that dispatches another one through the executor itself, while it is carried out."""
    scene = Scene()
    inner = scene.guard.parts.executor
    execute = scene.executor.execute

    async def two_in_one(call: ActionCall, *, idempotency_key: str) -> ActionResult:
        if call.action == "restart_service":
            await inner.execute(SCALE, idempotency_key="of my own")
        return await execute(call, idempotency_key=idempotency_key)

    scene.executor.execute = two_in_one  # type: ignore[method-assign]
    await applied(scene, RESTART)
    return scene


class Golden:
    """A golden snapshot that is whatever the api's configuration says."""

    def __init__(self, executor: FakeExecutor) -> None:
        self.executor = executor

    async def digests(self) -> dict[str, str]:
        return {"api.golden": digest(self.executor.world["api"]["config"])}


async def changes_the_golden_snapshot() -> Scene:
    scene = Scene()
    scene.guard.parts.baselines = Golden(scene.executor)
    await applied(scene, call("set_config", key="MODE", value="odd"))
    return scene


def failing() -> None:
    raise ToolError("it does not work that way")


async def fails_on_and_on(scene: Scene | None = None, more: int = 1) -> Scene:
    """Three failures of the same action on the same target, and more of it all the same."""
    scene = scene or Scene()
    scene.executor.before_effect = failing
    async with knocking(scene) as agent:
        for n in range(3 + more):
            await agent.judge(plan(call("scale_pool", size=20 + n), id=f"plan-{n}"), actor())
            await agent.apply(f"plan-{n}", "s1", actor())
            scene.clock.advance(1)
    return scene


async def skips_phases() -> Scene:
    scene = Scene()
    await closed(scene, phases=["BOOTSTRAP", "EXECUTE", "EXIT"])
    return scene


async def acts_after_the_end() -> Scene:
    scene = Scene()
    async with knocking(scene) as agent:
        await agent.judge(plan(RESTART), actor())
    await closed(scene)
    async with knocking(scene) as agent:
        await agent.apply("plan-1", "s1", actor())
    return scene


async def acts_for_another_change() -> Scene:
    scene = Scene()
    async with knocking(scene) as agent:
        await agent.judge(plan(RESTART), actor())
        await agent.apply("plan-1", "s1", actor(change="inc-2"))
    return scene


async def does_what_is_forbidden() -> Scene:
    scene = Scene()
    await applied(scene, DROP)
    return scene


async def goes_on_after_its_revocation() -> Scene:
    scene = Scene()
    async with knocking(scene) as agent, knocking(scene, "operator") as person:
        await agent.judge(plan(RESTART), actor())
        await HttpAgents(person).revoke("responder", "looks odd")
        await agent.apply("plan-1", "s1", actor())
        await agent.apply("plan-1", "s1", actor())
    return scene


async def works_with_a_stale_token() -> Scene:
    """Another runner took the change over; it was told, and comes back with the same token."""
    scene = Scene()
    async with knocking(scene) as agent:
        await agent.judge(plan(RESTART, SCALE), actor())
        await agent.apply("plan-1", "s1", actor().model_copy(update={"fence": 9}))
        for _ in range(2):
            await agent.apply("plan-1", "s2", actor().model_copy(update={"fence": 8}))
    return scene


class Deaf:
    """Shared state to which an agent said that it runs, and never beat again."""

    async def read(self, working: Sequence[Work]) -> list[Pulse]:
        return [Pulse(agent=agent, change=change, beat=None) for agent, change in working]


async def works_without_a_heartbeat() -> Scene:
    scene = Scene()
    async with knocking(scene) as agent:
        for n in range(3):
            await agent.judge(plan(SCALE, id=f"plan-{n}"), actor())
            await scene.guard.trust.check_pulses(Deaf())
            scene.clock.advance(10)
    return scene


async def seen_by_overwatch(violation: str, what: str, **more: str) -> Scene:
    """The agents' own process reports what it saw, over the ledger's route, as `graph.voices` does."""
    scene = Scene()
    async with knocking(scene) as agent:
        await ledger_charge(agent)(violation, "inc-1", {"agent": "responder", "what": what, **more})
    return scene


async def beats_without_its_lock() -> Scene:
    return await seen_by_overwatch("LOCK_EXPIRED", "responder@inc-1 is at work without its lock")


async def makes_mistake_after_mistake() -> Scene:
    return await seen_by_overwatch("ERROR_BUDGET_EXCEEDED", "responder@inc-1 failed 3 times within a minute")


async def walks_as_it_likes() -> Scene:
    """A graph whose run begins again after its end, over the real nodes and the real charge."""
    scene = Scene()
    async with knocking(scene) as agent:
        house = House(World(), charging=ledger_charge(agent))
        with pytest.raises(GovernanceError):
            await house.run({"incident": "inc-1", "run": "run-1", "phases": [Phase.EXIT]})
    return scene


async def acts_on_a_hunch() -> Scene:
    scene = Scene()
    await applied(scene, RESTART, confidence=0.1)
    return scene


async def leaves_nothing_behind() -> Scene:
    scene = Scene()
    await applied(scene, RESTART)
    await closed(scene, artifacts=["brief"])
    return scene


MISBEHAVIOURS: list[tuple[Violation, Callable[[], Awaitable[Scene]]]] = [
    (Violation.APPLY_WITHOUT_PLAN, applies_without_a_plan),
    (Violation.RUN_WITHOUT_CHECK, runs_what_could_not_be_checked),
    (Violation.UNAUTHORIZED_POOL, reaches_outside_its_pool),
    (Violation.UNAUTHORIZED_POOL, reaches_outside_the_inventory),
    (Violation.UNAUTHORIZED_PROD, changes_production_without_the_right),
    (Violation.UNRECORDED_ROOT, acts_behind_the_ledger),
    (Violation.BASELINE_MUTATION, changes_the_golden_snapshot),
    (Violation.ERROR_BUDGET_EXCEEDED, fails_on_and_on),
    (Violation.PROCEDURE_VIOLATION, skips_phases),
    (Violation.PROCEDURE_VIOLATION, acts_after_the_end),
    (Violation.PROCEDURE_VIOLATION, walks_as_it_likes),
    (Violation.HEARTBEAT_TIMEOUT, works_without_a_heartbeat),
    (Violation.LOCK_EXPIRED, works_with_a_stale_token),
    (Violation.LOCK_EXPIRED, beats_without_its_lock),
    (Violation.ERROR_BUDGET_EXCEEDED, makes_mistake_after_mistake),
    (Violation.SCOPE_VIOLATION, acts_for_another_change),
    (Violation.FORBIDDEN_ACTION, does_what_is_forbidden),
    (Violation.FORBIDDEN_ACTION, goes_on_after_its_revocation),
    (Violation.CONFIDENCE_BELOW_THRESHOLD, acts_on_a_hunch),
    (Violation.MISSING_ARTIFACT, leaves_nothing_behind),
]


@pytest.mark.parametrize(("violation", "misbehave"), MISBEHAVIOURS, ids=lambda v: getattr(v, "__name__", str(v)))
async def test_misbehaviour_is_charged(violation: Violation, misbehave: Callable[[], Awaitable[Scene]]) -> None:
    """Charged to the agent, in the ledger, with the consequence that its severity has."""
    scene = await misbehave()
    charge = found(scene, violation)
    assert charge.charged, charge
    assert charge.cause is Cause.AGENT
    entry = scene.store.entries(after=charge.entry - 1, limit=1)[0]
    assert (entry.kind, entry.content["violation"], entry.content["charged"]) == ("violation", violation.value, True)
    consequence = violation.gravity.consequence
    if consequence in {Consequence.REVOKE, Consequence.REVOKE_AND_ALERT}:
        assert charge.consequence == "revoked"
        async with knocking(scene) as agent:
            await agent.judge(plan(RESTART, id="plan-next", incident="inc-9"), actor(change="inc-9"))
            receipt = await agent.apply("plan-next", "s1", actor(change="inc-9"))
        assert receipt.verdict is Verdict.DENY
        assert any(r.wrapper == "revocation" for r in receipt.reasons)
    await scene.guard.quiet()
    assert scene.store.verify().verified


def test_every_violation_has_a_misbehaviour() -> None:
    """All fourteen of the table."""
    assert {violation for violation, _ in MISBEHAVIOURS} == set(Violation)


async def test_what_overwatch_saw_of_the_infrastructure_costs_nothing() -> None:
    """A full disk of the artifact store: recorded with its cause, not charged."""
    scene = await seen_by_overwatch(
        "MISSING_ARTIFACT",
        "the plan could not be stored",
        cause="infrastructure",
        evidence="the artifact store: OSError",
    )
    charge = found(scene, Violation.MISSING_ARTIFACT)
    assert (charge.charged, charge.cause, charge.consequence) == (False, Cause.INFRASTRUCTURE, "recovering")
    assert [e.kind for e in scene.store.entries(limit=9) if e.change == "inc-1"] == ["suspicion", "violation"]


@pytest.mark.parametrize(
    "report",
    [
        {"violation": "UNAUTHORIZED_PROD", "agent": "responder", "what": "seen"},
        {"violation": "LOCK_EXPIRED", "agent": "responder", "what": "seen", "cause": "injected"},
        {"violation": "LOCK_EXPIRED", "agent": "", "what": "seen"},
        {"violation": "LOCK_EXPIRED", "agent": "responder"},
    ],
)
async def test_only_what_is_seen_where_agents_run_is_reported_from_there(report: dict[str, str]) -> None:
    """No claim of what only the guard sees, nor of an injection; nothing is left in the ledger."""
    scene = Scene()
    async with knocking(scene) as agent:
        with pytest.raises(GovernanceError, match="suspicion"):
            await agent.record("suspicion", "inc-1", report)
        await ledger_charge(agent)("LOCK_EXPIRED", "inc-1", {"agent": ""})
    assert [e.kind for e in scene.store.entries(limit=9) if e.change == "inc-1"] == []


async def test_overwatch_reads_what_the_ledger_holds() -> None:
    """Charges and the revocation of its agent, nobody else's, and nothing about an agent that is not known."""
    scene = await goes_on_after_its_revocation()
    async with knocking(scene) as agent:
        held = await held_against(agent, "responder")()
        assert "revoked by operator" in held.revoked
        assert held.violations("inc-1") == [held.revoked]
        assert [w.split()[0] for w in held.warnings("inc-1")] == ["FORBIDDEN_ACTION"]
        assert held.warnings("inc-2") == []
        assert await held_against(agent, "nobody")() == Held()
    scene = await beats_without_its_lock()
    async with knocking(scene) as agent:
        [text] = (await held_against(agent, "responder")()).violations("inc-1")
        assert text.startswith("LOCK_EXPIRED (L")
    await scene.guard.quiet()


async def test_a_decent_run_is_charged_with_nothing() -> None:
    """Judged, applied, verified, closed."""
    scene = Scene()
    await applied(scene, RESTART, SCALE, confidence=0.9)
    await closed(scene, verified=True)
    assert charges(scene.store) == []


async def test_proposing_is_never_charged() -> None:
    """Agents propose, governance judges: a plan full of forbidden steps is denied, and that is all."""
    scene = Scene()
    async with knocking(scene) as agent:
        judged = await agent.judge(plan(DROP, call("restart_service", "nobody")), actor())
        assert {j.verdict for j in judged} == {Verdict.DENY}
    assert charges(scene.store) == []


async def test_what_changed_after_the_judgement_is_not_the_agents_fault() -> None:
    """Allowed when it was judged; then a person demoted it. The step is refused, and nothing is charged."""
    scene = Scene()
    async with knocking(scene) as agent, knocking(scene, "operator") as person:
        await agent.judge(plan(RESTART), actor())
        moved = await HttpAgents(person).demote("responder", {"reason": "a quiet week"})
        assert moved.tier is Tier.T0
        receipt = await agent.apply("plan-1", "s1", actor())
    assert receipt.verdict is Verdict.DENY
    charge = found(scene, Violation.FORBIDDEN_ACTION)
    assert (charge.charged, charge.consequence) == (False, "recovering")
    assert "judged allow" in charge.evidence


async def test_a_door_that_forgets_its_ledger_is_the_doors_fault() -> None:
    """Dispatched through a guard without its intent: recorded as infrastructure, not charged."""
    scene = Scene(wrappers=[w for w in WRAPPERS if w is not IntentBeforeEffect])
    await applied(scene, RESTART)
    charge = found(scene, Violation.UNRECORDED_ROOT)
    assert (charge.charged, charge.cause) == (False, Cause.INFRASTRUCTURE)


async def test_an_effect_on_nobodys_behalf_is_an_alert() -> None:
    """Nobody to revoke, and it is in the ledger all the same."""
    scene = Scene()
    await scene.guard.parts.executor.execute(RESTART, idempotency_key="from the attic")
    assert found(scene, Violation.UNRECORDED_ROOT).agent == "unknown"
    await scene.guard.quiet()


async def test_a_baseline_that_somebody_else_changed_is_not_charged() -> None:
    """It was another one before the step ran: a human cause; and the new one is pinned."""
    scene = Scene()
    scene.guard.parts.baselines = Golden(scene.executor)
    await applied(scene, RESTART)
    scene.executor.world["api"]["config"] = {"MODE": "by hand"}
    async with knocking(scene) as agent:
        await agent.judge(plan(SCALE, id="plan-2"), actor())
        assert (await agent.apply("plan-2", "s1", actor())).outcome is Outcome.SUCCEEDED
        await agent.judge(plan(call("scale_pool", size=11), id="plan-3"), actor())
        await agent.apply("plan-3", "s1", actor())
    assert [(c.violation, c.charged, c.cause) for c in charges(scene.store)] == [
        (Violation.BASELINE_MUTATION, False, Cause.HUMAN)
    ]


async def test_a_hunch_that_a_person_approved_is_the_persons() -> None:
    """Under the production rules somebody answered for it."""
    scene = Scene(policy=load_policy("production"))
    with scene.store.transaction() as tx:
        grant(tx, agent="responder", tier=Tier.T2, policy=scene.policy, by="operator", why="test")
    async with knocking(scene) as agent, knocking(scene, "maria") as person:
        [judged] = await agent.judge(plan(RESTART, confidence=0.3), actor())
        assert judged.approval_id is not None
        await person.answer(judged.approval_id, ApprovalAnswer(decision=Decision.APPROVE))
        await agent.apply("plan-1", "s1", actor(), judged.approval_id)
    charge = found(scene, Violation.CONFIDENCE_BELOW_THRESHOLD)
    assert (charge.charged, charge.cause) == (False, Cause.HUMAN)
    assert "maria" in charge.evidence


async def test_only_the_chaos_server_declares_conditions() -> None:
    """An agent cannot excuse itself, and a person has no business to."""
    scene = Scene()
    body = {"condition": Condition.ERROR_SPIKE.value, "agent": "responder", "seconds": 60}
    for name in ("agent", "operator", "maria"):
        async with knocking(scene, name) as guard:
            with pytest.raises(AuthError):
                await guard.call("/v1/conditions", body)
    async with knocking(scene, "chaos") as chaos:
        sealed = await chaos.call("/v1/conditions", body)
        assert set(sealed) == {"id", "entry"}
        opened = await chaos.call(f"/v1/conditions/{sealed['id']}/lift", {})
        assert opened["condition"] == "error_spike"
        with pytest.raises(FirebreakError):
            await chaos.call("/v1/conditions", {**body, "seconds": -1})
    assert tier_of(scene.store, "responder", scene.policy) is Tier.T1
