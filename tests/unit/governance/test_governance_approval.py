"""Approvals: bound to one state of the world, answered once, used once, never by the requester."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from domain.action import Outcome, Verdict
from domain.clock import ManualClock
from domain.errors import AuthError, ConflictError, GovernanceError, NotFoundError
from domain.guard import Approval, ApprovalAnswer, ApprovalStatus, Decision, Receipt, Withdrawal
from governance.approval import consume, load_approval
from governance.guard import answers as answers_module
from governance.guard.session import Session
from governance.identity import Role
from governance.policy import Policy, PolicyDocument, Rule, load_policy
from tests.fakes.guard import RESTART, SCALE, Scene, actor, call, plan, step, with_code

APPROVE = ApprovalAnswer(decision=Decision.APPROVE, reason="go ahead")


def production(**more: Any) -> Scene:
    return Scene(policy=load_policy("production"), **more)


def two_people() -> Scene:
    rule = Rule(id="two", why="two people", when="action.effect != 'read'", verdict=Verdict.ASK, quorum=2)
    return Scene(policy=Policy(PolicyDocument(version="1", name="default", rules=[rule], seats={"responder": "T1"})))


async def asked(scene: Scene, *calls: Any, **more: Any) -> Approval:
    [judgement, *_] = await scene.agent.judge(plan(*(calls or (SCALE,)), **more), actor())
    assert judgement.approval_id is not None, judgement
    return await scene.agent.approval(judgement.approval_id)


async def apply(scene: Scene, approval_id: str | None = None, step_id: str = "s1") -> Receipt:
    return await scene.agent.apply("plan-1", step_id, actor(), approval_id)


async def test_a_person_is_shown_what_would_happen() -> None:
    """Summary, blast radius, undo, reasons, witness and expiry stand in the question."""
    scene = production()
    question = await asked(scene)
    assert question.summary.startswith("scale_pool")
    assert question.blast_radius == "new connections wait"
    assert question.undo == "scale_pool on api"
    assert question.witness == {"pool": 5}
    assert question.requested_by == "responder"
    assert (question.expires_at - question.requested_at).total_seconds() == 900
    assert any(r.verdict is Verdict.ASK for r in question.reasons)
    restart = await asked(scene, RESTART, id="plan-2")
    assert restart.undo == "cannot be undone: nothing durable is lost"
    dropped = step("s1", RESTART, cannot_undo="sessions end")
    assert (await asked(scene, dropped, id="plan-3")).undo == "cannot be undone: sessions end"


async def test_an_approved_step_is_carried_out_once() -> None:
    """The approval is consumed with the claim and cannot be used again."""
    scene = production()
    question = await asked(scene)
    await scene.operator.answer(question.id, APPROVE)
    receipt = await apply(scene, question.id)
    assert (receipt.verdict, receipt.outcome, receipt.approval_id) == (Verdict.ALLOW, Outcome.SUCCEEDED, None)
    assert (await scene.agent.approval(question.id)).status is ApprovalStatus.CONSUMED
    attempt = next(e for e in scene.store.entries() if e.kind == "attempt")
    assert attempt.content["approval"] == question.id
    assert attempt.content["approvers"] == ["operator"]
    with scene.store.transaction() as tx:
        consume(tx, question.id, attempt.content["claim"])
        with pytest.raises(GovernanceError):
            consume(tx, question.id, "another claim")


async def test_fifty_consumers_of_one_approval_cause_one_effect() -> None:
    """All at once, one effect."""
    scene = production()
    question = await asked(scene)
    await scene.operator.answer(question.id, APPROVE)
    await asyncio.gather(*(apply(scene, question.id) for _ in range(50)))
    assert len(scene.executor.executed) == 1


async def test_the_first_answer_wins_and_the_loser_sees_why() -> None:
    """The second person learns who answered what and when; saying the same again is no conflict."""
    scene = production()
    question = await asked(scene)
    reject = ApprovalAnswer(decision=Decision.REJECT, reason="not now")
    assert (await scene.maria.answer(question.id, reject)).status is ApprovalStatus.REJECTED
    assert (await scene.maria.answer(question.id, reject)).status is ApprovalStatus.REJECTED
    with pytest.raises(ConflictError) as lost:
        await scene.operator.answer(question.id, APPROVE)
    assert "rejected by maria at 2026-01-01T00:00:00+00:00: not now" in lost.value.found
    receipt = await apply(scene)
    assert receipt.verdict is Verdict.DENY
    assert "rejected by maria: not now" in receipt.summary


async def test_racing_answers_are_decided_in_the_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both looked at an open approval; only one writes."""
    scene = production()
    question = await asked(scene)
    await scene.maria.answer(question.id, APPROVE)
    monkeypatch.setattr(answers_module, "load_approval", lambda *_: question)
    with pytest.raises(ConflictError, match="approved already"):
        await scene.operator.answer(question.id, APPROVE)


async def test_who_may_answer() -> None:
    """An approver or admin, never the requester, an agent, a viewer or the drill's side."""
    scene = production()
    question = await asked(scene)
    for name in ("agent", "viewer", "chaos"):
        with pytest.raises(AuthError):
            await scene.session(name).answer(question.id, APPROVE)
    scene.guard.parts.identities.enrol("responder", [Role.APPROVER], "a-person-who-is-named-like-the-agent")
    with pytest.raises(AuthError, match="own request"):
        await Session(scene.guard, "a-person-who-is-named-like-the-agent").answer(question.id, APPROVE)
    with pytest.raises(NotFoundError):
        await scene.operator.answer("apr-unknown", APPROVE)


async def test_a_quorum_needs_distinct_people() -> None:
    """One person counts once; the step waits until the second one agrees."""
    scene = two_people()
    question = await asked(scene)
    assert question.quorum == 2
    assert (await scene.operator.answer(question.id, APPROVE)).status is ApprovalStatus.OPEN
    with pytest.raises(ConflictError, match="answered already"):
        await scene.operator.answer(question.id, APPROVE)
    waiting = await apply(scene)
    assert (waiting.verdict, waiting.approval_id) == (Verdict.ASK, question.id)
    assert "waiting for 1 more" in waiting.summary
    assert (await scene.maria.answer(question.id, APPROVE)).status is ApprovalStatus.APPROVED
    assert (await apply(scene)).outcome is Outcome.SUCCEEDED


async def test_a_changed_target_makes_an_approval_stale() -> None:
    """What was approved was a pool of five; now it is seven, so a person is asked again."""
    scene = production()
    question = await asked(scene)
    await scene.operator.answer(question.id, APPROVE)
    scene.executor.world["api"]["pool"] = 7
    receipt = await apply(scene, question.id)
    assert receipt.verdict is Verdict.ASK
    assert receipt.approval_id not in {None, question.id}
    assert "pool was 5, now 7" in receipt.summary
    assert (await scene.agent.approval(question.id)).status is ApprovalStatus.EXPIRED
    assert scene.executor.executed == []
    assert (await apply(scene)).approval_id == receipt.approval_id


async def test_an_open_question_about_another_state_is_asked_anew() -> None:
    """While it waits the target changes: judging again closes the old question and opens a fitting one."""
    scene = production()
    old = await asked(scene)
    assert (await asked(scene)).id == old.id
    scene.executor.world["api"]["pool"] = 7
    new = await asked(scene)
    assert new.id != old.id
    assert (await scene.agent.approval(old.id)).status is ApprovalStatus.EXPIRED
    scene.executor.world["api"]["pool"] = 8
    assert (await apply(scene)).approval_id not in {old.id, new.id}
    assert (await scene.agent.approval(new.id)).status is ApprovalStatus.EXPIRED


async def test_an_approval_expires_answered_or_not() -> None:
    """After its time it can neither be answered nor used, and setting the clock back does not help."""
    scene = production()
    question = await asked(scene)
    await scene.operator.answer(question.id, APPROVE)
    scene.clock.advance(900)
    assert (await scene.agent.approval(question.id)).status is ApprovalStatus.EXPIRED
    await scene.agent.record("observation", "inc-1", {"text": "time passed"})
    scene.clock.advance(-900)
    receipt = await apply(scene, question.id)
    assert receipt.verdict is Verdict.ASK
    assert "expired" in receipt.summary
    scene.clock.advance(2000)
    with pytest.raises(ConflictError, match="expired already"):
        await scene.operator.answer(receipt.approval_id or "", APPROVE)
    assert await scene.agent.approvals(open_only=True) == []
    assert len(await scene.agent.approvals(change="inc-1")) == 2
    assert await scene.agent.approvals(change="inc-2") == []


async def test_an_approval_is_matched_by_id() -> None:
    """Another step's approval, or one that does not exist, opens nothing."""
    scene = production()
    judgements = await scene.agent.judge(plan(RESTART, SCALE), actor())
    first, second = (j.approval_id for j in judgements)
    assert first
    await scene.operator.answer(first, APPROVE)
    wrong = await apply(scene, first, "s2")
    assert wrong.verdict is Verdict.DENY
    assert "belongs to step s1" in wrong.summary
    assert (await apply(scene, "apr-unknown", "s2")).verdict is Verdict.DENY
    assert (await apply(scene, second, "s2")).verdict is Verdict.ASK


async def test_a_modification_is_judged_again_and_carried_out() -> None:
    """A person changes the arguments: the approval now speaks of the new call, and the new call is what runs."""
    scene = production()
    question = await asked(scene)
    modified = await scene.operator.answer(question.id, ApprovalAnswer(decision=Decision.MODIFY, args={"size": 8}))
    assert (modified.id, modified.status) == (question.id, ApprovalStatus.MODIFIED)
    assert modified.digest != question.digest
    assert modified.call.args == {"size": 8}
    again = ApprovalAnswer(decision=Decision.MODIFY, args={"size": 8})
    assert (await scene.operator.answer(question.id, again)).status is ApprovalStatus.MODIFIED
    await asked(scene)
    assert (await apply(scene, question.id)).outcome is Outcome.SUCCEEDED
    assert scene.executor.world["api"]["pool"] == 8


async def test_a_modification_that_is_denied_changes_nothing() -> None:
    """Wrong arguments are refused with reasons, the question stays open; arguments must be there at all."""
    scene = production()
    question = await asked(scene)
    with pytest.raises(ConflictError) as refused:
        await scene.operator.answer(question.id, ApprovalAnswer(decision=Decision.MODIFY, args={"size": "big"}))
    assert "argument size is wrong" in refused.value.found
    with pytest.raises(GovernanceError, match="needs arguments"):
        await scene.operator.answer(question.id, ApprovalAnswer(decision=Decision.MODIFY))
    assert (await scene.agent.approval(question.id)).status is ApprovalStatus.OPEN


async def test_a_modification_under_a_quorum_starts_the_count_anew() -> None:
    """Who agreed to the old arguments did not agree to the new ones."""
    scene = two_people()
    question = await asked(scene)
    await scene.operator.answer(question.id, APPROVE)
    changed = await scene.maria.answer(question.id, ApprovalAnswer(decision=Decision.MODIFY, args={"size": 8}))
    assert (changed.status, changed.answered_by) == (ApprovalStatus.OPEN, ["maria"])
    await scene.operator.answer(question.id, APPROVE)
    assert (await apply(scene, question.id)).outcome is Outcome.SUCCEEDED
    assert scene.executor.world["api"]["pool"] == 8


async def test_a_person_may_end_the_plan() -> None:
    """Terminate closes the other questions too, and no step of the plan is carried out any more."""
    scene = production()
    judgements = await scene.agent.judge(plan(RESTART, SCALE), actor())
    first, second = (j.approval_id or "" for j in judgements)
    await scene.operator.answer(second, APPROVE)
    ended = await scene.operator.answer(first, ApprovalAnswer(decision=Decision.TERMINATE, reason="I take over"))
    assert ended.status is ApprovalStatus.TERMINATED
    assert (await scene.agent.approval(second)).status is ApprovalStatus.EXPIRED
    receipt = await apply(scene, second, "s2")
    assert receipt.verdict is Verdict.DENY
    assert "operator ended plan plan-1" in receipt.summary
    [again, _] = await scene.agent.judge(plan(RESTART, SCALE), actor())
    assert again.verdict is Verdict.DENY


async def test_an_escalated_question_is_not_an_answer() -> None:
    """Escalating passes it on to other people; the step does not run."""
    scene = production()
    question = await asked(scene)
    await scene.operator.answer(question.id, ApprovalAnswer(decision=Decision.ESCALATE))
    receipt = await apply(scene)
    assert "escalated by operator: no reason given" in receipt.summary
    assert receipt.verdict is Verdict.DENY


async def test_a_new_plan_withdraws_the_questions_of_the_old_one() -> None:
    """People are not asked about what will not be done."""
    scene = production()
    old = await asked(scene)
    await asked(scene, RESTART, id="plan-2")
    closed = await scene.agent.approval(old.id)
    assert (closed.status, closed.reason) == (ApprovalStatus.EXPIRED, "superseded by plan plan-2")


WELL = Withdrawal(since=ManualClock().now(), found="users are served; the cause is gone")


async def test_a_question_whose_symptoms_ended_is_withdrawn_and_answered_no_more() -> None:
    """It ends like any question that no longer fits the world; the ledger and whoever comes late are told why."""
    scene = production()
    question = await asked(scene)
    moot = await scene.agent.withdraw(question.id, WELL)
    assert (moot.status, moot.moot_since) == (ApprovalStatus.EXPIRED, WELL.since)
    assert await scene.agent.withdraw(question.id, WELL) == moot
    with pytest.raises(ConflictError) as late:
        await scene.operator.answer(question.id, APPROVE)
    assert late.value.message == f"approval {question.id} is expired already"
    assert late.value.found.startswith("expired: symptoms ended by 00:00:00 UTC (users are served; the cause is gone)")
    assert late.value.found.endswith("approving would change a system that is healthy again")
    told = [e.content for e in scene.store.entries() if e.content.get("event") == "withdrawn"]
    assert [(t["approval"], t["since"]) for t in told] == [(question.id, WELL.since.isoformat())]
    assert (await apply(scene, question.id)).verdict is Verdict.ASK
    assert scene.executor.executed == []


async def test_an_answer_is_not_withdrawn() -> None:
    """Who answered first is not overruled by a look, and only who proposes takes a question back."""
    scene = production()
    question = await asked(scene)
    for name in ("operator", "viewer", "chaos"):
        with pytest.raises(AuthError):
            await scene.session(name).withdraw(question.id, WELL)
    await scene.operator.answer(question.id, APPROVE)
    with pytest.raises(ConflictError) as late:
        await scene.agent.withdraw(question.id, WELL)
    assert late.value.found.startswith("approved by operator at ")
    assert (await apply(scene, question.id)).outcome is Outcome.SUCCEEDED
    with pytest.raises(NotFoundError):
        await scene.agent.withdraw("apr-unknown", WELL)


async def test_a_step_with_nothing_left_to_change_gives_its_approval_back() -> None:
    """An answer that is not needed any more does not wait for the target to need it again."""
    scene = production()
    [first, second] = [j.approval_id or "" for j in await scene.agent.judge(plan(SCALE, RESTART), actor())]
    await scene.operator.answer(first, APPROVE)
    await scene.operator.answer(second, APPROVE)
    scene.executor.world["api"]["pool"] = SCALE.args["size"]
    assert (await apply(scene)).outcome is Outcome.SKIPPED
    done, other = [await scene.agent.approval(id) for id in (first, second)]
    assert (done.status, done.reason) == (ApprovalStatus.EXPIRED, "nothing was left to change")
    assert other.status is ApprovalStatus.APPROVED


async def test_the_end_of_a_run_withdraws_what_was_not_used() -> None:
    """Approvals of steps that were never reached serve nobody after the incident was closed."""
    scene = production()
    used, spare = [j.approval_id or "" for j in await scene.agent.judge(plan(SCALE, RESTART), actor())]
    await scene.operator.answer(used, APPROVE)
    await scene.operator.answer(spare, APPROVE)
    await apply(scene, used)
    report = {"agent": "responder", "run": "run-1", "outcome": "mitigated", "phases": ["BOOTSTRAP"]}
    await scene.agent.record("closing", "inc-1", report)
    statuses = [(await scene.agent.approval(id)).status for id in (used, spare)]
    assert statuses == [ApprovalStatus.CONSUMED, ApprovalStatus.EXPIRED]
    assert (await apply(scene, spare, "s2")).verdict is not Verdict.ALLOW


async def test_a_used_approval_is_refused_for_another_claim() -> None:
    """An approval consumed elsewhere (a copied database, a race) is a no, not a second question."""
    scene = production()
    question = await asked(scene)
    await scene.operator.answer(question.id, APPROVE)
    with scene.store.transaction() as tx:
        consume(tx, question.id, "somebody else's claim")
    receipt = await apply(scene, question.id)
    assert receipt.verdict is Verdict.DENY
    assert "was used already" in receipt.summary


async def test_an_approval_used_between_look_and_claim_is_refused() -> None:
    """The claim's transaction has the last word: nothing is claimed, nothing dispatched."""
    from governance.guard.claim import ClaimOnce

    holder: list[tuple[Scene, str]] = []

    def use_it() -> None:
        scene, id = holder[0]
        with scene.store.transaction() as tx:
            consume(tx, id, "faster")

    scene = production(wrappers=with_code(ClaimOnce, use_it))
    question = await asked(scene)
    await scene.operator.answer(question.id, APPROVE)
    holder.append((scene, question.id))
    receipt = await apply(scene, question.id)
    assert receipt.verdict is Verdict.DENY
    assert scene.executor.executed == []


async def test_after_a_crash_the_consumed_approval_still_serves_its_own_claim() -> None:
    """Consumed with a claim that was never dispatched: neither lost nor reusable."""
    from governance.guard.intent import IntentBeforeEffect

    class PowerCut(BaseException):
        pass

    def cut() -> None:
        raise PowerCut

    scene = production(wrappers=with_code(IntentBeforeEffect, cut))
    question = await asked(scene)
    await scene.operator.answer(question.id, APPROVE)
    with pytest.raises(PowerCut):
        await apply(scene, question.id)
    assert load_approval(scene.store, question.id, scene.store.now).status is ApprovalStatus.CONSUMED
    later = production(ledger=scene.store, executor=scene.executor, clock=scene.clock)
    assert (await apply(later, question.id)).outcome is Outcome.SUCCEEDED


async def test_ask_mode_asks_in_a_sandbox_too() -> None:
    """One service in ask mode waits for a person, whatever the tiers say."""
    from domain.inventory import Binding, Environment, Inventory, Mode, Service

    api = Service(
        name="api",
        kind="api",
        environment=Environment.SANDBOX,
        mode=Mode.ASK,
        bindings={"process": Binding(via="process")},
    )
    scene = Scene(inventory=Inventory(services=[api]))
    question = await asked(scene, call("scale_pool", size=9))
    await scene.operator.answer(question.id, APPROVE)
    assert (await apply(scene)).outcome is Outcome.SUCCEEDED
