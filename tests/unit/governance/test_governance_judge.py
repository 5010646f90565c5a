"""Judging: all reasons at once, a verdict per step, plans pinned by their content."""

from __future__ import annotations

import pytest

from domain.action import Tier, Verdict
from domain.errors import AuthError, ConflictError, GovernanceError, NotFoundError
from domain.inventory import Binding, Environment, Inventory, Mode, Service
from domain.plan import Step
from governance.guard.session import Session
from governance.policy import load_policy
from governance.seats import grant, seat_fresh_sandbox, tier_of
from tests.fakes.executor import mixed_inventory
from tests.fakes.guard import RESTART, SCALE, Scene, actor, call, plan, step


def reasons(scene_reasons: list, wrapper: str) -> list[str]:  # type: ignore[type-arg]
    return [r.text for r in scene_reasons if r.wrapper == wrapper]


async def test_all_reasons_are_given_not_just_the_first() -> None:
    """A step that is wrong in several ways hears all of them."""
    scene = Scene(inventory=mixed_inventory())
    await scene.operator.freeze("test")
    [judged] = await scene.agent.judge(
        plan(call("restart_service", "legacy", incident="other"), incident="inc-9"), actor()
    )
    assert judged.verdict is Verdict.DENY
    denying = {r.wrapper for r in judged.reasons if r.verdict is Verdict.DENY}
    assert denying == {"freeze", "inventory", "mode", "tier", "plan", "budget"}


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (call("reboot_universe"), "no action"),
        (call("restart_service", "apı"), "expected a target of the inventory"),
        (call("restart_service", "api; DROP TABLE orders"), "expected a target of the inventory"),
        (call("drop_table", "api", table="orders"), "works on database"),
        (call("scale_pool", size="10"), "argument size is wrong"),
        (call("restart_service", "gateway"), "needs a process binding"),
    ],
)
async def test_a_call_that_is_not_valid_is_denied_without_a_dry_run(wrong, text: str) -> None:  # type: ignore[no-untyped-def]
    """Unknown actions, targets and arguments never reach an executor, not even its dry run."""
    scene = Scene()
    gateway = Service(name="gateway", kind="proxy", environment=Environment.SANDBOX, mode=Mode.ACT)
    scene.guard.parts.inventory = Inventory(services=[*scene.inventory.services, gateway])
    [judged] = await scene.agent.judge(plan(wrong), actor())
    assert judged.verdict is Verdict.DENY
    assert text in reasons(judged.reasons, "inventory")[0]
    assert judged.dry_run is None


async def test_any_of_several_bindings_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """An action that needs one aspect or another works with either."""
    scene = Scene()
    spec = scene.executor.spec("restart_service")
    assert spec is not None
    monkeypatch.setattr(scene.executor, "spec", lambda _: spec.model_copy(update={"binding": "cache|process"}))
    [judged] = await scene.agent.judge(plan(RESTART), actor())
    assert judged.verdict is Verdict.ALLOW


async def test_a_check_that_returns_another_call_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The executor's check may fill in defaults; it may not choose another target."""
    scene = Scene()
    monkeypatch.setattr(scene.executor, "check", lambda _: call("restart_service", "postgres"))
    [judged] = await scene.agent.judge(plan(RESTART), actor())
    assert "another call" in reasons(judged.reasons, "inventory")[0]


@pytest.mark.parametrize(
    ("mode", "verdict", "dry_run"),
    [
        (Mode.OBSERVE, Verdict.DENY, False),
        (Mode.SHADOW, Verdict.DENY, True),
        (Mode.ASK, Verdict.ASK, True),
        (Mode.ACT, Verdict.ALLOW, True),
    ],
)
async def test_the_mode_of_the_target_decides(mode: Mode, verdict: Verdict, dry_run: bool) -> None:
    """Observe denies, shadow denies but looks, ask asks, act follows the tiers."""
    bound = {"process": Binding(via="process")}
    api = Service(name="api", kind="api", environment=Environment.SANDBOX, mode=mode, bindings=bound)
    scene = Scene(inventory=Inventory(services=[api]))
    [judged] = await scene.agent.judge(plan(RESTART), actor())
    assert judged.verdict is verdict
    assert (judged.dry_run is not None) is dry_run
    assert (judged.approval_id is not None) is (verdict is Verdict.ASK)


async def test_reading_is_for_everybody() -> None:
    """A read effect passes an observed service and an unseated agent."""
    scene = Scene(inventory=mixed_inventory())
    [judged] = await scene.agent.judge(plan(call("read_status", "legacy")), actor("newcomer"))
    assert judged.verdict is Verdict.ALLOW, judged.reasons


async def test_an_unseated_agent_makes_no_dry_run() -> None:
    """Who was never granted a seat sits at T0."""
    scene = Scene()
    [judged] = await scene.agent.judge(plan(RESTART), actor("newcomer"))
    assert judged.verdict is Verdict.DENY
    assert judged.dry_run is None


async def test_production_in_the_inventory_needs_a_higher_tier() -> None:
    """T1 may not touch production; T2 asks."""
    scene = Scene(inventory=mixed_inventory())
    billing = plan(call("restart_service", "billing"))
    for tier, verdict in [(Tier.T1, Verdict.DENY), (Tier.T2, Verdict.ASK)]:
        with scene.store.transaction() as tx:
            grant(tx, agent="responder", tier=tier, policy=scene.policy, by="operator", why="test")
        [judged] = await scene.agent.judge(billing, actor())
        assert judged.verdict is verdict


async def test_a_fresh_sandbox_seats_its_agents_by_a_ledger_entry() -> None:
    """The grant is an entry; a second start grants nothing; other inventories seat nobody; policies seat apart."""
    scene = Scene()
    granted = [(e.actor, e.content["agent"], e.content["tier"]) for e in scene.store.entries() if e.kind == "grant"]
    assert granted == [("operator", "responder", "T1"), ("operator", "chaos", "T1")]
    assert seat_fresh_sandbox(scene.store, scene.inventory, scene.policy) == []
    production = load_policy("production")
    assert tier_of(scene.store, "responder", production) is Tier.T0
    assert seat_fresh_sandbox(scene.store, mixed_inventory(), production) == []
    assert seat_fresh_sandbox(scene.store, scene.inventory, production) == ["responder", "chaos"]
    assert tier_of(scene.store, "responder", production) is Tier.T2


@pytest.mark.parametrize(("value", "verdict"), [("postgres", Verdict.ALLOW), ("evil", Verdict.ASK)])
async def test_a_tainted_argument_matches_the_inventory_or_is_shown(value: str, verdict: Verdict) -> None:
    """What the inventory contains is a fact; everything else a person has to see."""
    scene = Scene()
    poisoned = step("s1", call("set_config", key="HOST", value=value), tainted_args=["value", "nothing"])
    [judged] = await scene.agent.judge(plan(poisoned), actor())
    assert judged.verdict is verdict


async def test_a_tainted_target_is_compared_too() -> None:
    """The target's own name may stem from untrusted text; it is in the inventory or it is no target."""
    scene = Scene()
    [judged] = await scene.agent.judge(plan(step("s1", RESTART, tainted_args=["target"])), actor())
    assert judged.verdict is Verdict.ALLOW


async def test_a_dry_run_that_cannot_tell_asks_and_one_that_fails_denies() -> None:
    """Without a look nothing is carried out unattended."""
    scene = Scene()
    scene.executor.blind = True
    [judged] = await scene.agent.judge(plan(RESTART), actor())
    assert judged.verdict is Verdict.ASK
    scene.executor.mute = True
    [judged] = await scene.agent.judge(plan(RESTART, id="plan-2"), actor())
    assert judged.verdict is Verdict.DENY
    assert "RUN_WITHOUT_CHECK" in reasons(judged.reasons, "dry_run")[0]


async def test_judging_is_recorded_with_the_pinned_policy() -> None:
    """The judgement names plan, digest, policy revision and every reason."""
    scene = Scene()
    [judged] = await scene.agent.judge(plan(RESTART), actor())
    entry = scene.store.head()
    assert entry.kind == "judgement"
    assert entry.content["policy"] == judged.policy == scene.policy.pin
    assert entry.content["plan_digest"] == plan(RESTART).plan_digest()
    assert len(entry.content["steps"][0]["reasons"]) == len(judged.reasons)


@pytest.mark.parametrize(
    "wrong",
    [plan(), plan(step("a", RESTART), step("a", SCALE)), plan(call("scale_pool", size=2**60))],
)
async def test_a_plan_that_nothing_can_be_bound_to_is_refused(wrong) -> None:  # type: ignore[no-untyped-def]
    """No steps, two steps of one name, arguments without a canonical form."""
    with pytest.raises(GovernanceError):
        await Scene().agent.judge(wrong, actor())


async def test_a_plan_keeps_its_id() -> None:
    """The same id with other steps is refused, unless it is a later revision; the same plan may be judged again."""
    scene = Scene()
    await scene.agent.judge(plan(RESTART), actor())
    await scene.agent.judge(plan(RESTART), actor())
    with pytest.raises(ConflictError):
        await scene.agent.judge(plan(SCALE), actor())
    await scene.agent.judge(plan(SCALE, revision=2), actor())
    assert (await scene.agent.apply("plan-1", "s1", actor())).summary == "done"


async def test_a_stranger_is_refused_and_recorded() -> None:
    """An unknown token judges nothing; the attempt is in the ledger."""
    scene = Scene()
    with pytest.raises(AuthError):
        await Session(scene.guard, "nobody").judge(plan(RESTART), actor())
    assert scene.store.head().kind == "refusal"
    with pytest.raises(NotFoundError):
        await scene.agent.apply("plan-1", "s1", actor())
    assert "APPLY_WITHOUT_PLAN" in scene.store.head().content["why"]


async def test_an_unknown_step_of_a_known_plan_is_not_found() -> None:
    """The answer names the steps there are."""
    scene = Scene()
    await scene.agent.judge(plan(RESTART), actor())
    with pytest.raises(NotFoundError) as refused:
        await scene.agent.apply("plan-1", "s9", actor())
    assert refused.value.expected == "s1"


def test_a_step_is_bound_by_its_call() -> None:
    """The helper used here builds steps like a planner does."""
    assert isinstance(step("s1", SCALE), Step)


async def test_a_dry_plan_asks_nobody_and_is_never_carried_out() -> None:
    """It is judged with all reasons and a dry run, opens no approval, and no step of it can be applied."""
    scene = Scene()
    dry = plan(call("scale_pool", "api", size=10), dry=True)
    [judged] = await scene.agent.judge(dry, actor())
    assert judged.dry_run is not None
    receipt = await scene.agent.apply("plan-1", "s1", actor())
    assert receipt.verdict is Verdict.DENY
    assert any("only asked what it would do" in reason.text for reason in receipt.reasons)


async def test_a_dry_plan_opens_no_approval() -> None:
    """Where a real one would ask a person."""
    scene = Scene()
    scene.guard.parts.inventory = Inventory(
        services=[s.model_copy(update={"mode": Mode.ASK}) for s in scene.inventory.services]
    )
    [judged] = await scene.agent.judge(plan(RESTART, dry=True), actor())
    assert (judged.verdict, judged.approval_id) == (Verdict.ASK, None)
    assert await scene.operator.approvals() == []
