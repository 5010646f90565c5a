"""Taken over: the agents stand back at the action server, whatever their own process still believes."""

from __future__ import annotations

import pytest

from domain.action import Outcome, Verdict
from domain.errors import AuthError
from domain.guard import ApprovalStatus
from domain.inventory import Inventory, Mode
from governance.credentials.grants import live_grants
from governance.credentials.port import Scope
from governance.guard.intent import IntentBeforeEffect
from governance.guard.taken import KIND, TAKEN
from governance.ledger.port import Record
from tests.fakes.executor import sandbox_inventory
from tests.fakes.guard import RESTART, SCALE, Scene, actor, plan, with_code


async def test_no_step_of_a_taken_change_is_dispatched() -> None:
    """Neither of the plan that was judged nor of a new one; other changes go on, the person may unwind."""
    scene = Scene()
    await scene.agent.judge(plan(SCALE, RESTART), actor())
    await scene.agent.apply("plan-1", "s1", actor())
    await scene.maria.take("inc-1", "I see what it is")
    refused = await scene.agent.apply("plan-1", "s2", actor())
    assert refused.verdict is Verdict.DENY
    assert "maria took inc-1 over" in refused.summary
    assert "I see what it is" in refused.summary
    (again,) = await scene.agent.judge(plan(RESTART, id="plan-2"), actor())
    assert again.verdict is Verdict.DENY
    (other,) = await scene.agent.judge(plan(RESTART, id="plan-3", incident="inc-2"), actor(change="inc-2"))
    assert other.verdict is Verdict.ALLOW
    assert (await scene.operator.unwind("inc-1")).complete
    assert [name for name, *_ in scene.executor.executed] == ["scale_pool", "scale_pool"]


async def test_its_credentials_end_and_the_ledger_says_who_and_why() -> None:
    """A person with the right to; agents and viewers have none."""
    scene = Scene()
    for name in ("agent", "viewer", "chaos"):
        with pytest.raises(AuthError):
            await scene.session(name).take("inc-1")
    facts = {"tier": "T1", "target": "api", "action": "restart_service", "effect": "transient"}
    scope = Scope.model_validate({**facts, "environment": "sandbox", "mode": "act"})
    issuer = scene.guard.parts.credentials
    await issuer.issue(scope, holder="responder", change="inc-1", deadline=None)
    other = await issuer.issue(scope, holder="responder", change="inc-2", deadline=None)
    await scene.maria.take("inc-1")
    assert [grant.accessor for grant in live_grants(scene.store)] == [other.accessor]
    taken = next(entry for entry in scene.store.entries() if entry.kind == "taken")
    assert (taken.actor, taken.change) == ("maria", "inc-1")


async def test_a_person_is_faster_than_the_dispatch() -> None:
    """Taken between the claim and the intent: the dispatch's own transaction refuses."""
    scenes: list[Scene] = []

    def take() -> None:
        with scenes[0].store.transaction() as tx:
            doc = {"by": "maria", "at": tx.now.isoformat(), "reason": ""}
            tx.put(Record(kind=KIND, id="inc-1", change="inc-1", status=TAKEN, at=tx.now, doc=doc))

    scene = Scene(wrappers=with_code(IntentBeforeEffect, take))
    scenes.append(scene)
    await scene.agent.judge(plan(RESTART), actor())
    receipt = await scene.agent.apply("plan-1", "s1", actor())
    assert "maria took inc-1 over" in receipt.summary
    assert scene.executor.executed == []


async def test_given_back_the_agents_may_work_again() -> None:
    """With a fresh judgement."""
    scene = Scene()
    await scene.maria.take("inc-1")
    await scene.maria.give_back("inc-1", "over to you")
    await scene.agent.judge(plan(RESTART), actor())
    assert (await scene.agent.apply("plan-1", "s1", actor())).outcome is Outcome.SUCCEEDED
    assert "given_back" in scene.kinds()


async def test_an_open_question_of_a_taken_change_is_withdrawn() -> None:
    """With the words of who took it."""
    scene = Scene(inventory=asking())
    await scene.agent.judge(plan(RESTART), actor())
    await scene.maria.take("inc-1")
    (approval,) = await scene.maria.approvals(change="inc-1")
    assert (approval.status, approval.reason) == (ApprovalStatus.EXPIRED, "maria took inc-1 over")


def asking() -> Inventory:
    """The sandbox with an api that asks for every change."""
    found = sandbox_inventory()
    ask = [s.model_copy(update={"mode": Mode.ASK}) if s.name == "api" else s for s in found.services]
    return found.model_copy(update={"services": ask})
