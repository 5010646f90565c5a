"""The action server over HTTP: the client has the same face as the guard, refusals are problem documents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from domain.action import Outcome, Verdict
from domain.errors import AuthError, ConflictError, GovernanceError, LedgerError, NotFoundError
from domain.guard import ApprovalAnswer, ApprovalStatus, Decision, EntrySearch, Withdrawal
from governance.guard.build import open_home_ledger
from governance.guard.client import HttpGuard
from governance.guard.server import build_action_server
from governance.ledger.anchor import FileAnchor
from governance.ledger.sqlite import verify_file
from governance.policy import load_policy
from tests.fakes.guard import RESTART, SCALE, TOKENS, Scene, actor, plan
from tests.fakes.served import served

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
        assert scene.kinds() == ["genesis", "grant", "grant", "judgement", "attempt", "intent", "effect", "read_back"]


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


async def test_a_question_whose_symptoms_ended_is_withdrawn() -> None:
    """The agent takes it back over HTTP; a person who comes late gets a conflict that says why."""
    scene = Scene(policy=load_policy("production"))
    async with over_http(scene) as guard, over_http(scene, "operator") as person:
        [judgement] = await guard.judge(plan(RESTART), actor())
        question, ended = judgement.approval_id or "", Withdrawal(since=scene.clock.now(), found="users are served")
        with pytest.raises(AuthError):
            await person.withdraw(question, ended)
        assert (await guard.withdraw(question, ended)).moot_since == ended.since
        with pytest.raises(ConflictError) as late:
            await person.answer(question, ApprovalAnswer(decision=Decision.APPROVE))
        assert "approving would change a system that is healthy again" in late.value.found


async def test_errors_come_back_as_what_they_were() -> None:
    """The client raises the same classes with the same facts as the server."""
    scene = Scene()
    async with over_http(scene) as guard, over_http(scene, "operator") as person:
        with pytest.raises(NotFoundError, match="never judged"):
            await guard.apply("nothing", "s1", actor())
        with pytest.raises(NotFoundError):
            await guard.approval("apr-unknown")
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


async def test_people_and_processes_find_everything_over_http() -> None:
    """Every endpoint, each with the right credential and with a wrong one."""
    scene = Scene()
    async with over_http(scene) as agent, over_http(scene, "operator") as person, over_http(scene, "chaos") as chaos:
        assert (await agent.specs())[0].name == "restart_service"
        await agent.judge(plan(SCALE), actor())
        await agent.apply("plan-1", "s1", actor())
        assert (await agent.status()).ledger_entries == 8
        assert await agent.approvals(open_only=True, change="inc-1") == []
        assert (await chaos.record("commitment", "drill-1", {"sha256": "ab"})).actor == "chaos"
        with pytest.raises(AuthError):
            await chaos.ledger()
        page = await agent.ledger(after=3, limit=2, change="inc-1")
        assert [entry.kind for entry in page] == ["attempt", "intent"]
        found = await agent.search(EntrySearch(kind="intent", change="inc-1"))
        assert [entry.kind for entry in found.entries] == ["intent"]
        assert (await person.freeze("look")).status.frozen_by == "operator"
        assert [item.step for item in await person.unwindable("inc-1")] == ["s1"]
        report = await person.unwind("inc-1")
        assert report.complete
        assert not (await person.resume("fine")).frozen
        assert scene.executor.world["api"]["pool"] == 5


async def test_refusals_are_problem_documents() -> None:
    """Without a credential, with a malformed body, at an unknown path: always the same shape."""
    scene = Scene()
    transport = httpx.ASGITransport(app=build_action_server(scene.guard))
    async with httpx.AsyncClient(transport=transport, base_url="http://action-server") as raw:
        token = {"Authorization": f"Bearer {TOKENS['agent'][0]}"}
        answers = [
            (await raw.get("/v1/status"), 401),
            (await raw.get("/v1/status", headers={"Authorization": "Basic abc"}), 401),
            (await raw.post("/v1/judge", json={"plan": {}}, headers=token), 422),
            (await raw.post("/v1/judge", content=b"[" * 100, headers=token), 422),
            (await raw.post("/v1/freeze", headers=token), 403),
            (await raw.post("/v1/resume", headers=token), 403),
            (await raw.post("/v1/unwind", headers=token), 403),
            (await raw.get("/v1/ledger?after=-5", headers=token), 422),
            (await raw.get("/nothing", headers=token), 404),
            (await raw.delete("/v1/ledger", headers=token), 405),
        ]
        for answer, status in answers:
            assert answer.status_code == status, answer.text
            assert answer.headers["content-type"] == "application/problem+json"
            assert {"type", "title", "status", "detail", "code", "expected", "found", "hint"} == set(answer.json())
        assert answers[0][0].headers["www-authenticate"] == "Bearer"
        assert answers[-1][0].headers["allow"]
        described = (await raw.get("/openapi.json")).json()["paths"]["/v1/status"]["get"]["responses"]
        assert set(described["404"]["content"]) == {"application/problem+json"}
        assert (await raw.get("/healthz")).json() == {"status": "ok", "frozen": False}
        page = (await raw.get("/v1/ledger?limit=1", headers=token)).json()
        assert page["next"] == 0
        assert (await raw.get("/v1/ledger", headers=token)).json()["next"] is None


async def test_a_successor_on_a_real_socket_resolves_what_was_left(tmp_path: Path) -> None:
    """A server over a file ledger ends between effect and outcome; the next one starts, looks, and tells."""
    scene = Scene(ledger=open_home_ledger(tmp_path))
    stuck = scene.executor.hold = asyncio.Event()
    async with over_http(scene) as guard:
        await guard.judge(plan(SCALE), actor())
        lost = asyncio.ensure_future(guard.apply("plan-1", "s1", actor()))
        while not scene.executor.executed:
            await asyncio.sleep(0)
        scene.executor.hold = None
        successor = Scene(executor=scene.executor, ledger=open_home_ledger(tmp_path))
        async with served(successor) as url, HttpGuard(url, TOKENS["agent"][0]) as again:
            receipt = await again.apply("plan-1", "s1", actor())
            assert receipt.outcome is Outcome.SUCCEEDED, receipt
            assert (await again.verify()).verified
            stuck.set()
            with pytest.raises(LedgerError):
                await lost
        assert len(scene.executor.executed) == 1
    scene.store.close()
    assert verify_file(tmp_path / "ledger.db", FileAnchor(tmp_path / "ledger.anchor")).verified


async def test_a_lost_answer_to_a_question_is_listed() -> None:
    """A person sees the open questions, filtered by incident or not."""
    scene = Scene(policy=load_policy("production"))
    async with over_http(scene) as agent, over_http(scene, "operator") as person:
        [judged] = await agent.judge(plan(RESTART), actor())
        assert [a.id for a in await person.approvals()] == [judged.approval_id]
        assert await person.unwindable() == []
        assert (await agent.ledger(limit=1))[0].kind == "genesis"
