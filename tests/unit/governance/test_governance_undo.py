"""Taking back: recorded undo, compared with the state before, in reverse order, durable; and the kill switch."""

from __future__ import annotations

import asyncio

import pytest

from domain.action import ActionCall, ActionResult, Outcome, Tier, Verdict
from domain.errors import AuthError, ConflictError, NotFoundError
from domain.guard import ApprovalAnswer, Decision
from domain.inventory import Inventory, Mode
from governance.claims import compensable
from governance.guard import switch
from governance.guard.read_back import changed_by, differences
from governance.policy import load_policy
from governance.seats import tier_of
from tests.fakes.guard import RESTART, SCALE, Scene, actor, call, plan, step

APPROVE = ApprovalAnswer(decision=Decision.APPROVE)
CONFIG = call("set_config", key="MODE", value="safe")


async def applied(scene: Scene, *calls: object) -> Scene:
    await scene.agent.judge(plan(*(calls or (SCALE,))), actor())  # type: ignore[arg-type]
    for n in range(len(calls) or 1):
        receipt = await scene.agent.apply("plan-1", f"s{n + 1}", actor())
        assert receipt.outcome is Outcome.SUCCEEDED, receipt
    return scene


async def test_an_undo_brings_the_state_back() -> None:
    """The captured undo runs through every wrapper and is recorded as a compensation; doing it twice does it once."""
    scene = await applied(Scene())
    receipt = await scene.agent.compensate("plan-1", "s1", actor())
    assert receipt.outcome is Outcome.SUCCEEDED
    assert scene.executor.world["api"]["pool"] == 5
    assert await scene.agent.compensate("plan-1", "s1", actor()) == receipt
    assert scene.kinds()[-4:] == ["attempt", "intent", "compensation", "read_back"]
    assert await scene.operator.unwindable() == []


async def test_an_undo_that_does_not_bring_the_state_back_has_failed() -> None:
    """The undo reports success, but the pool is not what it was."""
    scene = await applied(Scene())
    scene.executor.forgets_undo = True
    scene.executor.deaf = True
    await scene.agent.compensate("plan-1", "s1", actor())
    scene.executor.deaf = False
    scene = await applied(Scene())
    scene.executor.read_back = lying_read_back  # type: ignore[method-assign]
    scene.executor.forgets_undo = True
    receipt = await scene.agent.compensate("plan-1", "s1", actor())
    assert receipt.outcome is Outcome.FAILED
    assert "pool was 5, now 6" in receipt.summary


async def lying_read_back(call, result):  # type: ignore[no-untyped-def]
    return result


def test_only_what_both_states_know_is_compared() -> None:
    """A field that one of them does not have says nothing."""
    assert differences({"pool": 5}, {"pool": 5, "pid": 2}) == []
    assert differences({"pool": 5}, {"other": 1}) == []
    assert differences({"pool": 5}, {"pool": 6}) == ["pool was 5, now 6"]


async def test_what_counts_is_what_the_step_changed() -> None:
    """Declared fields that the step left alone (what it aimed at, say) need not come back."""
    scene = await applied(Scene())
    [claim] = compensable(scene.store)
    assert changed_by(claim) == {"pool": 5}
    assert changed_by(claim.model_copy(update={"witness": ["state", "aim"]})) == {}
    assert changed_by(claim.model_copy(update={"receipt": None})) == {}


async def test_what_was_not_applied_cannot_be_taken_back() -> None:
    """Neither a step that never ran nor one that has no undo."""
    scene = Scene()
    await scene.agent.judge(plan(RESTART), actor())
    with pytest.raises(ConflictError, match="nothing to take back"):
        await scene.agent.compensate("plan-1", "s1", actor())
    await scene.agent.apply("plan-1", "s1", actor())
    with pytest.raises(ConflictError, match="cannot be taken back"):
        await scene.agent.compensate("plan-1", "s1", actor())


async def test_an_approval_pre_authorises_the_undo_it_named() -> None:
    """Under production rules the undo of an approved step needs no second question."""
    scene = Scene(policy=load_policy("production"))
    [judged] = await scene.agent.judge(plan(SCALE), actor())
    await scene.operator.answer(judged.approval_id or "", APPROVE)
    await scene.agent.apply("plan-1", "s1", actor())
    receipt = await scene.agent.compensate("plan-1", "s1", actor())
    assert receipt.outcome is Outcome.SUCCEEDED, receipt
    assert any("pre-authorised" in r.text for r in receipt.reasons)


async def test_an_undo_that_no_approval_named_asks() -> None:
    """The step was approved without an undo, or nobody had to approve it: taking it back is a change like any other."""
    scene = Scene(policy=load_policy("production"))
    silent = step("s1", SCALE, undo=None)
    [judged] = await scene.agent.judge(plan(silent), actor())
    await scene.operator.answer(judged.approval_id or "", APPROVE)
    await scene.agent.apply("plan-1", "s1", actor())
    assert (await scene.agent.compensate("plan-1", "s1", actor())).verdict is Verdict.ASK
    lenient = await applied(Scene())
    stricter = lenient.again(policy=load_policy("production"))
    [judged] = await stricter.agent.judge(plan(SCALE), actor())
    asked = await stricter.agent.compensate("plan-1", "s1", actor())
    assert asked.verdict is Verdict.ASK
    await stricter.operator.answer(asked.approval_id or "", APPROVE)
    assert (await stricter.agent.compensate("plan-1", "s1", actor())).outcome is Outcome.SUCCEEDED


async def test_what_a_demoted_agent_did_is_taken_back_at_the_tier_where_it_did_it() -> None:
    """A charge took its seat and its right to act; the compensation authority outlives both, and allows nothing else."""
    scene = Scene()
    await scene.agent.judge(plan(SCALE, RESTART), actor())
    await scene.agent.apply("plan-1", "s1", actor())
    with pytest.raises(NotFoundError):
        await scene.agent.apply("a-plan-of-my-own", "s1", actor())
    assert tier_of(scene.store, "responder", scene.policy) is Tier.T0
    assert (await scene.agent.apply("plan-1", "s2", actor())).verdict is Verdict.DENY
    assert (await scene.agent.compensate("plan-1", "s1", actor())).outcome is Outcome.SUCCEEDED
    assert scene.executor.world["api"]["pool"] == 5
    await scene.guard.quiet()


async def test_unwinding_goes_backwards() -> None:
    """A person takes everything back, last one first, also while frozen; the ledger shows list and result."""
    scene = await applied(Scene(), SCALE, CONFIG)
    await scene.operator.freeze("everything back")
    items = await scene.operator.unwindable()
    assert [item.step for item in items] == ["s2", "s1"]
    report = await scene.operator.unwind()
    assert report.complete
    assert [r.step_id for r in report.receipts] == ["s2", "s1"]
    assert scene.executor.world["api"]["pool"] == 5
    assert [e.actor for e in scene.store.entries() if e.kind == "compensation"] == ["operator", "operator"]
    assert (await scene.operator.unwind("inc-1")).receipts == []


async def test_unwinding_passes_what_asks_but_not_what_denies() -> None:
    """Under production rules and with a blind dry run the person's order is the yes; agents and viewers order nothing."""
    scene = await applied(Scene(), SCALE)
    stricter = scene.again(policy=load_policy("production"))
    await stricter.agent.judge(plan(SCALE), actor())
    for name in ("agent", "viewer"):
        with pytest.raises(AuthError):
            await stricter.session(name).unwind()
    stricter.executor.blind = True
    assert (await stricter.operator.unwind()).complete


async def test_a_saga_stops_where_it_fails() -> None:
    """The first step that does not come back ends the unwinding; what is left is named."""
    scene = await applied(Scene(), SCALE, CONFIG)
    scene.executor.mute = True
    report = await scene.operator.unwind()
    assert not report.complete
    assert [r.verdict for r in report.receipts] == [Verdict.DENY]
    assert [item.step for item in report.remaining] == ["s2", "s1"]


async def test_an_interrupted_saga_is_carried_on() -> None:
    """The process dies in the middle of unwinding: at the next start the rest is taken back, nothing twice."""

    class PowerCut(BaseException):
        pass

    def cut() -> None:
        raise PowerCut

    scene = await applied(Scene(), SCALE, CONFIG)
    scene.executor.after_effect = cut
    with pytest.raises(PowerCut):
        await scene.operator.unwind()
    scene.executor.after_effect = None
    later = scene.again()
    assert len(await later.guard.recover()) == 1
    assert later.executor.world["api"] == {**later.executor.world["api"], "pool": 5, "config": {}}
    assert len(later.executor.executed) == 4
    assert await later.operator.unwindable() == []


async def test_frozen_means_nothing_takes_effect_until_a_person_resumes() -> None:
    """Steps and compensations are refused, status says who and when, resuming lifts it."""
    scene = await applied(Scene(), SCALE, CONFIG)
    await scene.agent.judge(plan(RESTART, id="plan-2"), actor())
    with pytest.raises(AuthError):
        await scene.agent.freeze()
    report = await scene.operator.freeze("looks wrong")
    assert report.status.frozen
    assert (report.status.frozen_by, report.stopped) == ("operator", [])
    assert report.quiet_s < 5
    later = scene.again()
    for receipt in (
        await later.agent.apply("plan-2", "s1", actor()),
        await later.agent.compensate("plan-1", "s1", actor()),
    ):
        assert receipt.verdict is Verdict.DENY
        assert "frozen by operator" in receipt.summary
        assert "looks wrong" in receipt.summary
    with pytest.raises(AuthError):
        await later.agent.resume()
    assert not (await later.operator.resume("fixed")).frozen
    assert (await later.agent.apply("plan-2", "s1", actor())).outcome is Outcome.SUCCEEDED


async def test_a_freeze_waits_for_what_is_running_and_then_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short execution ends by itself; a long one is stopped, marked unknown and looked for."""
    scene = Scene()
    await scene.agent.judge(plan(RESTART, SCALE), actor())
    scene.executor.hold = asyncio.Event()
    running = asyncio.ensure_future(scene.agent.apply("plan-1", "s1", actor()))
    while not scene.executor.executed:
        await asyncio.sleep(0)
    assert (await scene.agent.status()).in_flight == 1
    freezing = asyncio.ensure_future(scene.operator.freeze())
    await asyncio.sleep(0)
    scene.executor.hold.set()
    assert (await freezing).stopped == []
    assert (await running).outcome is Outcome.SUCCEEDED
    await scene.operator.resume()
    scene.executor.hold = asyncio.Event()
    running = asyncio.ensure_future(scene.agent.apply("plan-1", "s2", actor()))
    while len(scene.executor.executed) < 2:
        await asyncio.sleep(0)
    report = await switch.freeze(
        scene.guard.parts, scene.guard.parts.identities.identify(OPERATOR), "now", grace_s=0.01
    )
    assert len(report.stopped) == 1
    receipt = await running
    assert "stopped while it ran" in receipt.summary
    assert receipt.outcome is Outcome.SUCCEEDED


OPERATOR = "operator-token-of-a-test-0001"


async def test_status_tells_how_the_door_stands() -> None:
    """Policy, open approvals, entries and head."""
    scene = Scene(policy=load_policy("production"))
    await scene.agent.judge(plan(RESTART), actor())
    status = await scene.session("viewer").status()
    assert status.open_approvals == 1
    assert status.policy == scene.policy.pin
    assert (status.ledger_entries, status.ledger_head) == (scene.store.head().seq + 1, scene.store.head().hash)
    assert (await scene.agent.specs())[0].name == "restart_service"


async def test_unwinding_passes_ask_mode() -> None:
    """A service in ask mode asks agents, not the person who orders the undo."""
    scene = await applied(Scene(), SCALE)
    services = [s.model_copy(update={"mode": Mode.ASK}) for s in scene.inventory.services]
    careful = scene.again(inventory=Inventory(services=services))
    assert (await careful.operator.unwind()).complete


async def test_a_freeze_stops_an_unwind_that_is_under_way() -> None:
    """Compensations included: the order passed the freeze it was given under, not the one that came after it."""
    scene = await applied(Scene(), SCALE, CONFIG)
    await scene.operator.freeze("everything back")
    operator = scene.guard.parts.identities.identify(OPERATOR)

    def freeze_again() -> None:
        switch._set(scene.guard.parts, operator, "frozen", "freeze", "no, stop that too")

    scene.executor.after_effect = freeze_again
    report = await scene.operator.unwind()
    assert [r.verdict for r in report.receipts] == [Verdict.ALLOW, Verdict.DENY]
    assert "no, stop that too" in report.receipts[1].summary
    assert [item.step for item in report.remaining] == ["s1"]
    scene.executor.after_effect = None
    assert (await scene.operator.unwind()).complete


async def test_what_is_back_already_is_skipped_by_an_unwind() -> None:
    """Somebody else put it right: nothing to do, and off the list."""
    scene = await applied(Scene(), SCALE, CONFIG)
    scene.executor.world["api"]["pool"] = 5
    report = await scene.operator.unwind()
    assert report.complete
    assert [r.outcome for r in report.receipts] == [Outcome.SUCCEEDED, Outcome.SKIPPED]
    assert await scene.operator.unwindable() == []


async def test_a_step_that_failed_half_way_is_taken_back() -> None:
    """The pool grew and then the step failed: it counts as applied where taking back is concerned, and as failed elsewhere."""
    scene = Scene()
    whole = scene.executor.execute

    async def half(call: ActionCall, *, idempotency_key: str) -> ActionResult:
        done = await whole(call, idempotency_key=idempotency_key)
        return done.model_copy(update={"outcome": Outcome.FAILED, "summary": "it never settled"})

    scene.executor.execute = half  # type: ignore[method-assign]
    await scene.agent.judge(plan(SCALE), actor())
    receipt = await scene.agent.apply("plan-1", "s1", actor())
    assert (receipt.outcome, receipt.undo is not None) == (Outcome.FAILED, True)
    scene.executor.execute = whole  # type: ignore[method-assign]
    assert [item.step for item in await scene.operator.unwindable()] == ["s1"]
    assert (await scene.agent.compensate("plan-1", "s1", actor())).outcome is Outcome.SUCCEEDED
    assert scene.executor.world["api"]["pool"] == 5
    assert await scene.operator.unwindable() == []


async def test_a_step_that_failed_and_left_nothing_has_nothing_to_take_back() -> None:
    """The declared fields are as before."""
    scene = Scene()
    whole = scene.executor.execute

    async def nothing(call: ActionCall, *, idempotency_key: str) -> ActionResult:
        done = await whole(call, idempotency_key=idempotency_key)
        return done.model_copy(update={"outcome": Outcome.FAILED, "after": done.before})

    scene.executor.execute = nothing  # type: ignore[method-assign]
    await scene.agent.judge(plan(SCALE), actor())
    assert (await scene.agent.apply("plan-1", "s1", actor())).undo is None
    with pytest.raises(ConflictError, match="nothing to take back"):
        await scene.agent.compensate("plan-1", "s1", actor())
