"""The action server over HTTP: the client has the same face as the guard, refusals are problem documents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from domain.action import Outcome, Verdict
from domain.errors import AuthError, ConflictError, GovernanceError, NotFoundError
from domain.guard import ApprovalAnswer, ApprovalStatus, Decision
from governance.guard.client import HttpGuard
from governance.guard.server import build_action_server
from governance.policy import load_policy
from tests.fakes.guard import RESTART, SCALE, TOKENS, Scene, actor, plan

pytestmark = pytest.mark.integration


@asynccontextmanager
async def over_http(scene: Scene, name: str = "agent") -> AsyncIterator[HttpGuard]:
    transport = httpx.ASGITransport(app=build_action_server(scene.guard))
    async with HttpGuard("http://action-server", TOKENS[name][0], transport) as guard:
        yield guard


async def test_a_plan_is_judged_applied_and_remembered() -> None:
    """Judge, apply, apply again: one effect, one receipt, an intact ledger."""
    scene = Scene()
    async with over_http(scene) as guard:
        judgements = await guard.judge(plan(RESTART, SCALE), actor())
        assert [j.verdict for j in judgements] == [Verdict.ALLOW, Verdict.ALLOW], judgements
        first = await guard.apply("plan-1", "s1", actor())
        again = await guard.apply("plan-1", "s1", actor())
        assert first.outcome is Outcome.SUCCEEDED
        assert again == first
        assert len(scene.executor.executed) == 1
        verification = await guard.verify()
        assert verification.verified
        assert scene.kinds() == ["genesis", "grant", "judgement", "attempt", "intent", "effect", "read_back"]


async def test_an_applied_step_is_taken_back() -> None:
    """Compensating runs the undo that the executor captured and compares with the state before."""
    scene = Scene()
    async with over_http(scene) as guard:
        await guard.judge(plan(SCALE), actor())
        applied = await guard.apply("plan-1", "s1", actor())
        assert applied.undo is not None
        assert scene.executor.world["api"]["pool"] == 10
        back = await guard.compensate("plan-1", "s1", actor())
        assert back.outcome is Outcome.SUCCEEDED, back
        assert scene.executor.world["api"]["pool"] == 5
        assert (await guard.compensate("plan-1", "s1", actor())) == back


async def test_production_rules_ask_a_person() -> None:
    """Under the production policy the same step waits for a person's answer and is then carried out."""
    scene = Scene(policy=load_policy("production"))
    async with over_http(scene) as guard, over_http(scene, "operator") as person:
        [judgement] = await guard.judge(plan(RESTART), actor())
        assert judgement.verdict is Verdict.ASK, judgement
        assert judgement.approval_id is not None
        waiting = await guard.apply("plan-1", "s1", actor())
        assert waiting.verdict is Verdict.ASK
        assert waiting.approval_id == judgement.approval_id
        with pytest.raises(AuthError):
            await guard.answer(judgement.approval_id, ApprovalAnswer(decision=Decision.APPROVE))
        answered = await person.answer(judgement.approval_id, ApprovalAnswer(decision=Decision.APPROVE))
        assert answered.status is ApprovalStatus.APPROVED
        done = await guard.apply("plan-1", "s1", actor(), judgement.approval_id)
        assert done.outcome is Outcome.SUCCEEDED, done
        assert (await guard.approval(judgement.approval_id)).status is ApprovalStatus.CONSUMED


async def test_errors_come_back_as_what_they_were() -> None:
    """The client raises the same classes with the same facts as the server."""
    scene = Scene()
    async with over_http(scene) as guard, over_http(scene, "operator") as person:
        with pytest.raises(NotFoundError, match="never judged"):
            await guard.apply("nothing", "s1", actor())
        with pytest.raises(NotFoundError):
            await guard.approval("../status")
        with pytest.raises(AuthError) as refused:
            await guard.freeze()
        assert refused.value.code == "auth.forbidden"
        with pytest.raises(GovernanceError):
            await guard.judge(plan(), actor())
        await guard.judge(plan(RESTART), actor())
        with pytest.raises(ConflictError):
            await guard.compensate("plan-1", "s1", actor())
        async with over_http(scene) as stranger:
            with pytest.raises(AuthError) as unknown:
                await stranger.with_token("nobody's").judge(plan(RESTART), actor())
            assert unknown.value.code == "auth.refused"
        assert (await person.freeze("test")).status.frozen
