"""The lock at the door: renewed while a long change runs, and an agent's own token, which must be the newest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from domain.action import Outcome, Verdict
from domain.errors import LedgerError
from domain.guard import Actor, Receipt
from governance.attribution import Cause
from governance.charging import charges
from governance.guard import lock as lock_module
from governance.guard.claim import ClaimOnce
from governance.ledger.port import Record
from governance.violations import Violation
from tests.fakes.guard import RESTART, SCALE, Scene, actor, call, plan, with_code


def fenced(token: int, change: str = "inc-1") -> Actor:
    return actor(change=change).model_copy(update={"fence": token})


async def judged(scene: Scene, *calls: Any) -> Scene:
    await scene.agent.judge(plan(*(calls or (RESTART, SCALE))), actor())
    return scene


def denied(receipt: Receipt) -> str:
    assert receipt.verdict is Verdict.DENY, receipt
    return "; ".join(r.text for r in receipt.reasons if r.wrapper == "lock")


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


def expires(scene: Scene) -> datetime:
    record = scene.store.get("lock", "api")
    assert record is not None
    return datetime.fromisoformat(record.doc["expires_at"])


async def running(scene: Scene) -> asyncio.Task[Receipt]:
    """The first step, held inside its execution."""
    scene.executor.hold = asyncio.Event()
    task = asyncio.ensure_future(scene.agent.apply("plan-1", "s1", fenced(5)))
    await until(lambda: scene.executor.executed)
    return task


async def finish(scene: Scene, task: asyncio.Task[Receipt]) -> Receipt:
    assert scene.executor.hold is not None
    scene.executor.hold.set()
    return await task


async def test_a_long_change_keeps_its_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock of a change that runs longer than its life is renewed until the change ends."""
    monkeypatch.setattr(lock_module, "RENEW_S", 0.001)
    scene = await judged(Scene())
    task = await running(scene)
    for _ in range(3):
        before = expires(scene)
        scene.clock.advance(lock_module.TTL_S / 2)
        await until(lambda before=before: expires(scene) > before)  # type: ignore[misc]
    assert (await finish(scene, task)).outcome is Outcome.SUCCEEDED
    after = expires(scene)
    scene.clock.advance(1)
    await asyncio.sleep(0.01)
    assert expires(scene) == after


async def test_a_lock_that_was_taken_is_not_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer token ends the renewal; the newer holder's record stays as it is."""
    monkeypatch.setattr(lock_module, "RENEW_S", 0.001)
    scene = await judged(Scene())
    task = await running(scene)
    with scene.store.transaction() as tx:
        taken = {"fence": tx.next_number("fence"), "claim": "other", "expires_at": tx.now.isoformat()}
        tx.put(Record(kind="lock", id="api", status="held", at=tx.now, doc=taken))
    scene.clock.advance(1)
    await asyncio.sleep(0.02)
    record = scene.store.get("lock", "api")
    assert record is not None
    assert record.doc == taken
    assert (await finish(scene, task)).outcome is Outcome.SUCCEEDED


async def test_a_ledger_that_is_away_for_a_moment_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The renewal outlives a failed write."""
    monkeypatch.setattr(lock_module, "RENEW_S", 0.001)
    scene = await judged(Scene())
    task = await running(scene)
    real, failures = scene.store.transaction, iter([True, True])

    def flaky() -> Any:
        if next(failures, False):
            raise LedgerError("the disk is full")
        return real()

    before = expires(scene)
    scene.clock.advance(1)
    monkeypatch.setattr(scene.store, "transaction", flaky)
    await until(lambda: expires(scene) > before)
    assert (await finish(scene, task)).outcome is Outcome.SUCCEEDED


async def test_who_was_overtaken_is_refused_at_the_claim() -> None:
    """After a step under a newer token, an older one claims nothing; no token at all is older than any."""
    scene = await judged(Scene())
    assert (await scene.agent.apply("plan-1", "s1", fenced(7))).outcome is Outcome.SUCCEEDED
    for token in (6, 0):
        receipt = await scene.agent.apply("plan-1", "s2", fenced(token))
        assert f"the agent's token is {token}, newest is 7" in denied(receipt)
    assert len(scene.executor.executed) == 1
    assert (await scene.agent.apply("plan-1", "s2", fenced(7))).outcome is Outcome.SUCCEEDED
    attempts = [e.content for e in scene.store.entries(limit=100) if e.kind == "attempt"]
    assert [(c["agent_fence"], c["fencing_token"]) for c in attempts] == [(7, 1), (7, 2)]


async def test_a_stale_token_used_again_after_a_refusal_is_charged() -> None:
    """Once may be a paused process; whoever was told and comes back with the same token acts on an expired lock."""
    scene = await judged(Scene())
    await scene.agent.apply("plan-1", "s1", fenced(7))
    for token in (6, 5):
        denied(await scene.agent.apply("plan-1", "s2", fenced(token)))
        assert charges(scene.store) == []
    assert (await scene.agent.apply("plan-1", "s2", fenced(8))).outcome is Outcome.SUCCEEDED
    await scene.agent.judge(plan(call("scale_pool", size=20), id="plan-2"), fenced(8))
    denied(await scene.agent.apply("plan-2", "s1", fenced(5)))
    [charge] = charges(scene.store)
    assert (charge.violation, charge.charged, charge.cause) == (Violation.LOCK_EXPIRED, True, Cause.AGENT)
    assert "had been told so" in charge.what
    await scene.guard.quiet()


async def test_a_takeover_between_look_and_claim_is_seen() -> None:
    """The comparison stands in the claim's own transaction."""
    scenes: list[Scene] = []

    def overtaken() -> None:
        with scenes[0].store.transaction() as tx:
            doc = {"token": 9, "agent": "responder"}
            tx.put(Record(kind=lock_module.AGENT_FENCE, id="inc-1", at=tx.now, doc=doc))

    scenes.append(await judged(Scene(wrappers=with_code(ClaimOnce, overtaken))))
    assert "newest is 9" in denied(await scenes[0].agent.apply("plan-1", "s1", fenced(8)))
    assert scenes[0].executor.executed == []


async def test_a_stale_agent_is_told_when_it_asks() -> None:
    """A plan of an overtaken runner is judged as denied, with the reason."""
    scene = await judged(Scene())
    await scene.agent.apply("plan-1", "s1", fenced(7))
    [judgement] = await scene.agent.judge(plan(SCALE, id="plan-2"), fenced(3))
    assert judgement.verdict is Verdict.DENY
    assert any(r.wrapper == "lock" and "newest is 7" in r.text for r in judgement.reasons)


async def test_taking_back_needs_no_token_but_never_a_stale_one() -> None:
    """Compensations run without the agent; a stale agent may not start one."""
    scene = await judged(Scene(), SCALE)
    await scene.agent.apply("plan-1", "s1", fenced(7))
    assert "newest is 7" in denied(await scene.agent.compensate("plan-1", "s1", fenced(6)))
    assert (await scene.agent.compensate("plan-1", "s1", fenced(0))).outcome is Outcome.SUCCEEDED


async def test_tokens_of_one_change_say_nothing_about_another() -> None:
    """Each incident has its own."""
    scene = await judged(Scene())
    await scene.agent.apply("plan-1", "s1", fenced(7))
    other = plan(RESTART, id="plan-2", incident="inc-2")
    [judgement] = await scene.agent.judge(other, fenced(1, "inc-2"))
    assert not any(r.wrapper == "lock" for r in judgement.reasons)
