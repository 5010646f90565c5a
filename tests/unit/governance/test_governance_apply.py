"""Applying: exactly once, whatever happens in between, and never what was not judged."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from domain.action import ActionResult, Outcome, Tier, Verdict
from domain.errors import AuthError, ToolError
from domain.guard import Receipt
from governance.claims import ClaimState, find_claims
from governance.guard import lock as lock_module
from governance.guard.attempt import Attempt, Refused, receipt_of
from governance.guard.intent import IntentBeforeEffect
from governance.guard.order import WRAPPERS
from governance.ledger.port import Draft
from governance.policy import Policy, PolicyDocument, Rule, load_policy
from governance.seats import grant
from tests.fakes.executor import mixed_inventory
from tests.fakes.guard import RESTART, SCALE, Scene, actor, call, plan, step, with_code


async def judged(scene: Scene, *calls: Any, **more: Any) -> Scene:
    await scene.agent.judge(plan(*(calls or (RESTART,)), **more), actor())
    return scene


def denial(receipt: Receipt, wrapper: str) -> str:
    assert receipt.verdict is Verdict.DENY, receipt
    assert receipt.outcome is Outcome.SKIPPED
    return "; ".join(r.text for r in receipt.reasons if r.wrapper == wrapper and r.verdict is Verdict.DENY)


async def test_intent_stands_before_the_effect() -> None:
    """When the executor is called, the ledger already says so and the claim is dispatched."""
    scene = await judged(Scene())
    seen: list[tuple[str, ClaimState]] = []

    def look() -> None:
        seen.append((scene.store.head().kind, find_claims(scene.store)[0].state))

    scene.executor.before_effect = look
    receipt = await scene.agent.apply("plan-1", "s1", actor())
    assert seen == [("intent", ClaimState.DISPATCHED)]
    assert receipt.outcome is Outcome.SUCCEEDED
    assert receipt.before["state"] == "crashed"
    assert receipt.after["state"] == "running"
    assert scene.store.verify().verified


async def test_fifty_callers_cause_one_effect() -> None:
    """All of them get the same receipt."""
    scene = await judged(Scene())
    receipts = await asyncio.gather(*(scene.agent.apply("plan-1", "s1", actor()) for _ in range(50)))
    assert len(scene.executor.executed) == 1
    assert all(receipt == receipts[0] for receipt in receipts)


async def test_what_would_change_nothing_is_skipped() -> None:
    """A dry run without a change ends the step; no claim, no dispatch."""
    scene = await judged(Scene(), call("scale_pool", size=5))
    receipt = await scene.agent.apply("plan-1", "s1", actor())
    assert (receipt.verdict, receipt.outcome) == (Verdict.ALLOW, Outcome.SKIPPED)
    assert scene.executor.executed == []
    assert scene.store.head().kind == "skipped"


async def test_shadow_records_what_it_would_have_done() -> None:
    """Judged, dry-run, recorded, never dispatched."""
    scene = Scene(inventory=mixed_inventory())
    with scene.store.transaction() as tx:
        grant(tx, agent="responder", tier=Tier.T1, policy=scene.policy, by="operator", why="test")
    await judged(scene, call("restart_service", "mirror"))
    receipt = await scene.agent.apply("plan-1", "s1", actor())
    assert "shadow" in denial(receipt, "mode")
    assert scene.executor.executed == []
    head = scene.store.head()
    assert head.kind == "shadow"
    assert head.content["dry_run"]["answer"] == "would_change"


async def test_another_policy_means_judging_again() -> None:
    """A judgement is pinned to the policy revision it was made under."""
    scene = await judged(Scene())
    changed = Policy(load_policy().document.model_copy(update={"title": "other words", "name": "default"}))
    later = scene.again(policy=changed)
    assert "judge the plan again" in denial(await later.agent.apply("plan-1", "s1", actor()), "policy")
    await judged(later)
    assert (await later.agent.apply("plan-1", "s1", actor())).outcome is Outcome.SUCCEEDED


async def test_a_plan_is_for_its_own_change_and_agent() -> None:
    """Neither another incident nor another agent can use it."""
    scene = await judged(Scene())
    assert "belongs to inc-1" in denial(await scene.agent.apply("plan-1", "s1", actor(change="inc-2")), "plan")
    assert "judged for responder" in denial(await scene.agent.apply("plan-1", "s1", actor("other")), "plan")


async def test_a_changed_record_is_noticed() -> None:
    """Somebody edits the pinned plan in the database: its steps no longer match their digests."""
    from governance.plans import load_plan, save_plan

    scene = await judged(Scene())
    pinned = load_plan(scene.store, "plan-1")
    assert pinned is not None
    with scene.store.transaction() as tx:
        save_plan(tx, pinned.model_copy(update={"plan": plan(SCALE)}))
    assert "not the one that was judged" in denial(await scene.agent.apply("plan-1", "s1", actor()), "plan")


@pytest.mark.parametrize("error", [ToolError("broken pipe", found="EPIPE"), ValueError("a bug")])
async def test_an_error_after_dispatch_is_looked_up(error: Exception) -> None:
    """The effect took place although the executor raised: the read-back finds it."""
    scene = await judged(Scene())

    def fail() -> None:
        raise error

    scene.executor.after_effect = fail
    receipt = await scene.agent.apply("plan-1", "s1", actor())
    assert receipt.outcome is Outcome.SUCCEEDED
    assert "looked again" in receipt.summary


async def test_a_timeout_is_looked_up_and_never_sent_again() -> None:
    """No answer in time: unknown, then read back; here the effect is not there."""
    scene = await judged(Scene(), SCALE)
    scene.executor.lies = True
    scene.executor.timeout_s = 0.01
    scene.executor.hold = asyncio.Event()
    receipt = await scene.agent.apply("plan-1", "s1", actor())
    assert receipt.outcome is Outcome.FAILED
    assert "no answer within" in receipt.summary
    assert (await scene.agent.apply("plan-1", "s1", actor())) == receipt
    assert len(scene.executor.executed) == 1


async def test_what_nobody_can_see_stays_unknown_until_it_is_seen() -> None:
    """Unknown is an outcome; asking again looks again and does nothing else."""
    scene = await judged(Scene(), SCALE)
    scene.executor.deaf = True
    receipt = await scene.agent.apply("plan-1", "s1", actor())
    assert receipt.outcome is Outcome.UNKNOWN
    assert (await scene.agent.apply("plan-1", "s1", actor())).outcome is Outcome.UNKNOWN
    scene.executor.deaf = False
    assert (await scene.agent.apply("plan-1", "s1", actor())).outcome is Outcome.SUCCEEDED
    assert len(scene.executor.executed) == 1


async def crash(scene: Scene, when: str, step_id: str = "s1") -> Scene:
    """Let the process die before or after the effect; returns the restarted one."""

    class PowerCut(BaseException):
        pass

    def cut() -> None:
        raise PowerCut

    setattr(scene.executor, when, cut)
    with pytest.raises(PowerCut):
        await scene.agent.apply("plan-1", step_id, actor())
    setattr(scene.executor, when, None)
    return scene.again()


@pytest.mark.parametrize(("when", "outcome"), [("before_effect", Outcome.FAILED), ("after_effect", Outcome.SUCCEEDED)])
async def test_after_a_crash_the_effect_is_looked_for(when: str, outcome: Outcome) -> None:
    """At start every dispatched claim is resolved by read-back, and asking again only tells."""
    later = await crash(await judged(Scene(), SCALE), when)
    [claim] = await later.guard.recover()
    assert claim.receipt is not None
    assert claim.receipt.outcome is outcome
    assert (await later.agent.apply("plan-1", "s1", actor())) == claim.receipt
    assert len(later.executor.executed) == 1
    assert await later.guard.recover() == []


async def test_a_claim_that_was_never_dispatched_is_taken_up_again() -> None:
    """The process dies between claim and dispatch: nothing happened, so the successor may do it, once."""

    class PowerCut(BaseException):
        pass

    def cut() -> None:
        raise PowerCut

    scene = await judged(Scene(wrappers=with_code(IntentBeforeEffect, cut)))
    with pytest.raises(PowerCut):
        await scene.agent.apply("plan-1", "s1", actor())
    assert find_claims(scene.store)[0].state is ClaimState.CLAIMED
    later = scene.again(wrappers=WRAPPERS)
    assert await later.guard.recover() == []
    assert (await later.agent.apply("plan-1", "s1", actor())).outcome is Outcome.SUCCEEDED
    assert len(find_claims(later.store)) == 1


async def test_a_lost_lock_stops_the_dispatch() -> None:
    """Who slept while somebody else took the lock is refused by the token; who slept too long, by the clock."""
    holder: list[Scene] = []

    def overtaken() -> None:
        with holder[0].store.transaction() as tx:
            record = tx.get("lock", "api")
            assert record is not None
            record.doc["fence"] = tx.next_number("fence")
            tx.put(record)

    def overslept() -> None:
        holder[0].clock.advance(lock_module.TTL_S)

    for code in (overtaken, overslept):
        scene = Scene(wrappers=with_code(IntentBeforeEffect, code))
        holder[:] = [scene]
        await judged(scene)
        assert "was lost" in denial(await scene.agent.apply("plan-1", "s1", actor()), "lock")
        assert scene.executor.executed == []


async def test_a_freeze_between_claim_and_dispatch_stops_it() -> None:
    """The last look is in the transaction of the intent."""
    holder: list[Scene] = []

    def freeze_now() -> None:
        from governance.guard.freeze import CURRENT, FROZEN, KIND
        from governance.ledger.port import Record

        with holder[0].store.transaction() as tx:
            doc = {"by": "operator", "at": "now", "reason": ""}
            tx.put(Record(kind=KIND, id=CURRENT, status=FROZEN, at=tx.now, doc=doc))

    scene = Scene(wrappers=with_code(IntentBeforeEffect, freeze_now))
    holder[:] = [scene]
    await judged(scene)
    assert "frozen by operator" in denial(await scene.agent.apply("plan-1", "s1", actor()), "freeze")
    assert scene.executor.executed == []


async def test_the_budget_is_counted_again_with_the_claim() -> None:
    """Two steps that each had room when judged do not both get the last place."""
    scene = Scene()
    for n in range(9):
        await judged(scene, call("scale_pool", size=20 + n), id=f"plan-{n}")
        assert (await scene.agent.apply(f"plan-{n}", "s1", actor())).outcome is Outcome.SUCCEEDED
        scene.clock.advance(70)
    await judged(scene, call("scale_pool", size=50), call("scale_pool", size=60), id="plan-last")
    first = await scene.agent.apply("plan-last", "s1", actor())
    second = await scene.agent.apply("plan-last", "s2", actor())
    assert first.outcome is Outcome.SUCCEEDED
    assert "budget used up" in denial(second, "budget")


async def test_a_target_that_never_gets_free_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change waits for another one of the same target, not for ever."""
    monkeypatch.setattr(lock_module, "WAIT_S", 0.02)
    scene = await judged(Scene(), RESTART, SCALE)
    scene.executor.hold = asyncio.Event()
    first = asyncio.ensure_future(scene.agent.apply("plan-1", "s1", actor()))
    while not scene.executor.executed:
        await asyncio.sleep(0)
    assert "did not end" in denial(await scene.agent.apply("plan-1", "s2", actor()), "lock")
    scene.executor.hold.set()
    assert (await first).outcome is Outcome.SUCCEEDED


async def test_a_caller_that_leaves_does_not_stop_what_began() -> None:
    """Cancelling the request leaves the step running; the guard waits for it before it closes."""
    scene = await judged(Scene())
    scene.executor.hold = asyncio.Event()
    request = asyncio.ensure_future(scene.agent.apply("plan-1", "s1", actor()))
    while not scene.executor.executed:
        await asyncio.sleep(0)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    scene.executor.hold.set()
    await scene.guard.quiet()
    await scene.guard.quiet()
    assert find_claims(scene.store)[0].state is ClaimState.CONFIRMED


async def test_a_token_that_may_not_propose_is_refused_and_recorded() -> None:
    """A person's token answers; it does not act in an agent's place."""
    scene = await judged(Scene())
    with pytest.raises(AuthError):
        await scene.operator.apply("plan-1", "s1", actor())
    assert scene.store.head().kind == "refusal"


async def test_a_secret_in_a_result_is_not_kept() -> None:
    """Whatever an executor reports, secrets do not get into receipt, claim or ledger."""
    scene = await judged(Scene(), call("set_config", key="PASSWORD", value="x"))
    scene.executor.world["api"]["config"] = {"password": "hunter2"}
    receipt = await scene.agent.apply("plan-1", "s1", actor())
    assert "hunter2" not in receipt.model_dump_json()
    assert "hunter2" not in find_claims(scene.store)[0].receipt.model_dump_json()  # type: ignore[union-attr]
    assert all("hunter2" not in entry.model_dump_json() for entry in scene.store.stream())


async def test_own_entries_are_limited_to_their_kinds() -> None:
    """The agent writes observations, the drill's side commitments, nobody anything else."""
    scene = Scene()
    entry = await scene.agent.record("observation", "inc-1", {"text": "seen"})
    assert (entry.kind, entry.actor, entry.change) == ("observation", "agent", "inc-1")
    assert (await scene.session("chaos").record("commitment", "drill-1", {"sha256": "ab"})).actor == "chaos"
    for name, kind in [("agent", "commitment"), ("chaos", "observation"), ("agent", "grant"), ("operator", "opening")]:
        with pytest.raises(AuthError):
            await scene.session(name).record(kind, "x", {})
    with pytest.raises(AuthError):
        await scene.session("chaos").ledger()
    assert (await scene.session("chaos").verify()).verified
    assert not (await scene.session("chaos").status()).frozen


def test_without_a_result_the_receipt_says_unknown() -> None:
    """A receipt never claims what did not come back."""
    from governance.claims import Purpose
    from governance.plans import PinnedPlan

    pinned = PinnedPlan(
        plan=plan(RESTART), change="c", agent="a", policy="p", judged_at=plan(RESTART).created_at, entry=1, digests={}
    )
    attempt = Attempt(purpose=Purpose.APPLY, step=step("s1", RESTART), actor=actor(), key="k", pinned=pinned)
    assert receipt_of(attempt).outcome is Outcome.UNKNOWN
    assert attempt.verdict is Verdict.DENY
    assert Refused().reason is None
    assert Draft(kind="x", actor="y").content == {}
    assert "token" not in repr(
        Attempt(purpose=Purpose.APPLY, step=step("s1", SCALE), actor=actor(), key="k", pinned=pinned, token="secret")
    )


async def test_without_recall_the_claim_still_prevents_a_second_effect() -> None:
    """Two wrappers know what was done; the claim alone is enough."""
    from governance.guard.recall import Recall

    scene = await judged(Scene(wrappers=[w for w in WRAPPERS if w is not Recall]))
    first = await scene.agent.apply("plan-1", "s1", actor())
    second = await scene.agent.apply("plan-1", "s1", actor())
    assert first == second
    assert len(scene.executor.executed) == 1


async def test_a_reported_failure_is_a_failure() -> None:
    """No read-back is needed to believe an executor that says it failed."""
    scene = await judged(Scene())

    async def failing(call: Any, *, idempotency_key: str) -> ActionResult:
        return ActionResult(outcome=Outcome.FAILED, summary="the far end refused", seconds=1.5)

    scene.executor.execute = failing  # type: ignore[method-assign]
    receipt = await scene.agent.apply("plan-1", "s1", actor())
    assert (receipt.outcome, receipt.summary, receipt.seconds) == (Outcome.FAILED, "the far end refused", 1.5)
    assert find_claims(scene.store)[0].state is ClaimState.FAILED


async def test_sequence_rules_count_by_kind_of_target() -> None:
    """A rule may count what happened to any api, or anything at all, within a window."""
    rules = [
        Rule(id="open", why="known", when="true", verdict=Verdict.ALLOW),
        Rule(id="calm", why="too much at once", when="count_kind('*', 'api', '60s') >= 1", verdict=Verdict.DENY),
    ]
    document = PolicyDocument(version="1", name="default", rules=rules, seats={"responder": Tier.T1})
    scene = await judged(Scene(policy=Policy(document)), RESTART, SCALE)
    await scene.agent.apply("plan-1", "s1", actor())
    assert "too much at once" in denial(await scene.agent.apply("plan-1", "s2", actor()), "policy")
    scene.clock.advance(61)
    assert (await scene.agent.apply("plan-1", "s2", actor())).outcome is Outcome.SUCCEEDED


async def test_an_executor_that_finds_nothing_to_do_has_skipped() -> None:
    """The state changed between dry run and dispatch: no failure, nothing to take back."""
    scene = await judged(Scene(), SCALE)

    async def idle(call: Any, *, idempotency_key: str) -> ActionResult:
        return ActionResult(outcome=Outcome.SKIPPED, summary="the pool has ten already")

    scene.executor.execute = idle  # type: ignore[method-assign]
    receipt = await scene.agent.apply("plan-1", "s1", actor())
    assert (receipt.outcome, receipt.undo) == (Outcome.SKIPPED, None)
    assert await scene.operator.unwindable() == []
