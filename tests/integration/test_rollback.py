"""Taking back on the incident's own path: the real graph, the real guard over HTTP, a world that really changes.

A criterion that fails or a check that gets worse after a step takes it back: unattended where mode or approval allowed
that beforehand, after a person's word otherwise.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
import pytest
from langgraph.types import Command

from domain.action import ActionCall, ActionResult, ActionSpec, Outcome
from domain.conditions import Condition
from domain.errors import ToolError
from domain.guard import ApprovalAnswer, ApprovalStatus, Decision
from domain.incident import IncidentStatus
from governance.guard.client import HttpGuard
from governance.guard.server import build_action_server
from governance.policy import load_policy
from graph.state import Knobs
from tests.fakes.executor import FakeExecutor
from tests.fakes.guard import TOKENS, Scene
from tests.fakes.house import House
from tests.fakes.world import World, alert

pytestmark = pytest.mark.integration

POOL = (Condition.POOL_SATURATED, "api")
BIGGER = 15
"""What the rules make of a pool of five."""
KNOBS = Knobs(verify_s=0.2, patience_s=0.2, max_replans=0)


class Shop(FakeExecutor):
    """Actions that the rules plan for a full pool. `worse`: a bigger pool breaks the database's own check."""

    def __init__(self, world: World, *, worse: bool = False, names_undo: bool = True) -> None:
        super().__init__()
        self.shop, self.worse, self.names_undo = world, worse, names_undo

    def specs(self) -> list[ActionSpec]:
        undo = "scale_pool" if self.names_undo else ""
        update = {"removes": [str(Condition.POOL_SATURATED)], "undo": undo}
        return [s.model_copy(update=update) for s in super().specs() if s.name == "scale_pool"]

    async def execute(self, call: ActionCall, *, idempotency_key: str) -> ActionResult:
        result = await super().execute(call, idempotency_key=idempotency_key)
        bigger = self.world["api"]["pool"] > 5
        self.shop.also_broken = {"postgres"} if self.worse and bigger else set()
        return result


class Run:
    """One incident of a full pool, over HTTP to a real action server."""

    def __init__(self, policy: str = "default", **more: Any) -> None:
        self.house = House(World(wrong={POOL: {"size": 5, "in_use": 5, "waiting": 3}}))
        self.executor = Shop(self.house.world, **more)
        self.scene = Scene(executor=self.executor, policy=load_policy(policy))
        self.graph: Any = None
        self.config: Any = {"configurable": {"thread_id": "inc-1"}}

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Run]:
        transport = httpx.ASGITransport(app=build_action_server(self.scene.guard))
        async with HttpGuard("http://action-server", TOKENS["agent"][0], transport) as guard:
            self.house.guard = cast(Any, guard)
            self.graph = self.house.graph()
            yield self

    async def go(self, given: Any = None) -> list[Any]:
        """Until it ends or asks; the open questions."""
        fresh = {"incident": "inc-1", "run": "run-1", "alerts": [alert()]}
        await self.graph.ainvoke(given or fresh, self.config, context=KNOBS, durability="sync")
        return list((await self.graph.aget_state(self.config)).interrupts)

    async def answered(self, question: Any, decision: Decision) -> list[Any]:
        """A person answers at the action server; the run goes on with what the guard then says."""
        approval = await self.scene.maria.answer(question.value["approval"], ApprovalAnswer(decision=decision))
        return await self.go(Command(resume={question.id: {"status": approval.status.value}}))

    async def state(self) -> dict[str, Any]:
        return dict((await self.graph.aget_state(self.config)).values)

    @property
    def pool(self) -> int:
        return int(self.executor.world["api"]["pool"])

    def effects(self, kind: str) -> list[dict[str, Any]]:
        return [e.content for e in self.scene.store.entries(limit=200) if e.kind == kind]


async def test_a_step_that_did_not_cure_is_taken_back_unattended_where_its_mode_allowed_it() -> None:
    """Act mode on a sandbox: nobody was asked for the step, and nobody is for its undo; the state before is back."""
    async with Run().serving() as run:
        assert await run.go() == []
        assert (await run.state())["outcome"] == "rolled_back"
        assert [c["outcome"] for c in run.effects("compensation")] == ["succeeded"]
        assert (run.pool, len(run.executor.executed)) == (5, 2)


async def test_what_got_worse_after_a_step_is_taken_back() -> None:
    """The database's own check fails after the step and holds again after its undo."""
    async with Run(worse=True).serving() as run:
        await run.go()
        state = await run.state()
        assert state["verifications"][-1].regressed
        assert (run.pool, run.house.world.also_broken) == (5, set())
        assert state["outcome"] == "rolled_back"


async def test_an_approval_that_named_the_undo_needs_no_second_question() -> None:
    """Production rules: one question for the step, which names its undo; the undo runs without another."""
    async with Run("production").serving() as run:
        [question] = await run.go()
        assert (await run.scene.maria.approval(question.value["approval"])).compensations
        assert await run.answered(question, Decision.APPROVE) == []
        assert (run.pool, (await run.state())["outcome"]) == (5, "rolled_back")
        assert len(await run.scene.maria.approvals()) == 1


async def test_an_undo_that_nobody_pre_authorised_waits_for_a_person() -> None:
    """The approval named none: the run asks, on the same surfaces, and takes back what the person lets it."""
    async with Run("production", names_undo=False).serving() as run:
        [question] = await run.go()
        [second] = await run.answered(question, Decision.APPROVE)
        assert (run.pool, (await run.state())["status"]) == (BIGGER, IncidentStatus.WAITING)
        assert second.value["approval"] != question.value["approval"]
        assert second.value["action_requests"][0]["args"] == {"target": "api", "size": 5}
        assert await run.answered(second, Decision.APPROVE) == []
        assert (run.pool, (await run.state())["outcome"]) == (5, "rolled_back")


async def test_a_person_may_leave_a_step_standing() -> None:
    """Asked whether to take it back, and answered no: it stands, and the incident is the person's."""
    async with Run("production", names_undo=False).serving() as run:
        [question] = await run.go()
        [second] = await run.answered(question, Decision.APPROVE)
        assert await run.answered(second, Decision.REJECT) == []
        state = await run.state()
        assert (run.pool, state["outcome"], state["status"]) == (BIGGER, "escalated", IncidentStatus.ESCALATED)
        why = next(e.text for e in state["timeline"] if e.event == "incident.escalated")
        assert why == "taking r1s1 back was not approved: rejected"


async def test_a_lost_answer_is_looked_up_and_still_taken_back() -> None:
    """The executor's answer is lost after the effect: read back as done, verified, and its undo is known."""
    async with Run().serving() as run:
        lost = iter([ToolError("the connection broke after the effect")])

        def once() -> None:
            if (error := next(lost, None)) is not None:
                raise error

        run.executor.after_effect = once
        await run.go()
        state = await run.state()
        assert [r.outcome for r in state["results"]] == [Outcome.SUCCEEDED, Outcome.SUCCEEDED]
        assert (run.pool, state["outcome"]) == (5, "rolled_back")
        assert [action for action, _, _ in run.executor.executed] == ["scale_pool"] * 2


async def test_a_frozen_door_takes_nothing_back_until_a_person_unwinds() -> None:
    """Compensations included; the person sees the list, and the order passes the freeze that it was given under."""
    async with Run("production").serving() as run:
        [question] = await run.go()
        answer = ApprovalAnswer(decision=Decision.APPROVE)
        approval = await run.scene.maria.answer(question.value["approval"], answer)
        assert approval.status is ApprovalStatus.APPROVED
        frozen: list[Any] = []
        notes = run.house._note

        async def freeze_first(kind: str, change: str, content: dict[str, Any]) -> None:
            if "step_id" in content and not frozen:
                frozen.append(await run.scene.operator.freeze("something looks odd"))
            await notes(kind, change, content)

        run.house._note = freeze_first  # type: ignore[method-assign]
        run.graph = run.house.graph()
        await run.go(Command(resume={question.id: {"status": "approved"}}))
        assert frozen
        assert (run.pool, (await run.state())["status"]) == (BIGGER, IncidentStatus.ESCALATED)
        [item] = await run.scene.operator.unwindable()
        assert (item.undo.action, item.undo.args) == ("scale_pool", {"size": 5})
        report = await run.scene.operator.unwind()
        assert (report.complete, run.pool) == (True, 5)
