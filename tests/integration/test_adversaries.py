"""Adversaries at the action server's door, over a real socket: refused with reasons, nothing done, and all of it recorded."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx
import pytest
import uvicorn

from domain.action import Tier
from domain.guard import LedgerEntry
from governance.guard.server import build_action_server
from governance.policy import Policy, load_policy
from governance.seats import grant
from tests.fakes.executor import mixed_inventory
from tests.fakes.guard import TOKENS, Scene, actor, call, plan, step
from tools.registry import ActionRegistry

pytestmark = pytest.mark.integration

METACHARACTERS = (
    "'; DROP TABLE orders; --",
    "$(reboot)",
    "`id`",
    "x; rm -rf /",
    "a|b",
    "x\n0",
    "../../etc/passwd",
    "a\u202eb",
)
LOOK_ALIKES = ("аpi", "ａｐｉ", "api\u200b", "ápi", "API", "api\u0000", "restart_service")
NUMBERS = count()


@dataclass
class Served:
    """One action server for the whole module, in a thread of its own."""

    scene: Scene
    url: str
    seen: int = 0
    """Ledger entries that were there before the adversary came."""
    responder: str = ""
    """Today's agent at T1; whoever misbehaves is charged, so each test has its own."""
    senior: str = ""
    """The same at T2."""

    def client(self, token: str = "agent") -> httpx.Client:
        header = {"Authorization": f"Bearer {TOKENS[token][0] if token in TOKENS else token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=header, trust_env=False, timeout=30)

    def ask(self, path: str, body: Any, token: str = "agent") -> httpx.Response:
        with self.client(token) as client:
            return client.post(path, json=body)

    def judge(self, *calls: Any, token: str = "agent", agent: str = "", **more: Any) -> tuple[str, httpx.Response]:
        """A fresh plan for a fresh change; its id and the answer."""
        change = f"inc-{next(NUMBERS)}"
        made = plan(*calls, id=more.pop("id", f"plan-of-{change}"), incident=change, **more)
        body = {
            "plan": made.model_dump(mode="json"),
            "actor": actor(agent or self.responder, change).model_dump(mode="json"),
        }
        return made.id, self.ask("/v1/judge", body, token)

    def apply(self, plan_id: str, step_id: str = "s1", token: str = "agent", **more: Any) -> httpx.Response:
        change = plan_id.removeprefix("plan-of-")
        who = actor(more.pop("agent", self.responder), more.pop("change", change)).model_dump(mode="json")
        return self.ask("/v1/apply", {"plan_id": plan_id, "step_id": step_id, "actor": who, **more}, token)

    def answer(self, approval: str, token: str = "operator") -> httpx.Response:
        return self.ask(f"/v1/approvals/{approval}/answer", {"decision": "approve"}, token)

    def new(self) -> list[LedgerEntry]:
        """What was written since the test began."""
        return self.scene.store.entries(after=self.seen, limit=1000)

    def recorded(self, words: str) -> bool:
        return any(words in json.dumps(entry.content, ensure_ascii=False) for entry in self.new())


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    """Sandbox, production, observed and shadowed services under the default policy."""
    scene = Scene(inventory=mixed_inventory())
    config = uvicorn.Config(build_action_server(scene.guard), host="127.0.0.1", port=0, log_level="error")
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        thread.join(0.01)
    port = running.servers[0].sockets[0].getsockname()[1]
    yield Served(scene=scene, url=f"http://127.0.0.1:{port}")
    running.should_exit = True
    thread.join(10)


@pytest.fixture
def served(server: Served) -> Iterator[Served]:
    """Before each test: what has been done and written so far. Time passes in between, so that no budget is in the way."""
    server.scene.clock.advance(3600)
    number = next(NUMBERS)
    server.responder, server.senior = f"responder-{number}", f"senior-{number}"
    with server.scene.store.transaction() as tx:
        for agent, tier in ((server.responder, Tier.T1), (server.senior, Tier.T2)):
            grant(tx, agent=agent, tier=tier, policy=server.scene.policy, by="operator", why="test")
    server.seen = server.scene.store.head().seq
    server.scene.executor.executed.clear()
    yield server
    assert server.scene.store.verify().verified


def untouched(served: Served) -> bool:
    return served.scene.executor.executed == []


def denied(answer: httpx.Response, words: str) -> bool:
    """A judgement or receipt that says no, with these words among its reasons."""
    assert answer.status_code == 200, answer.text
    body = answer.json()
    said = body["judgements"][0] if "judgements" in body else body
    reasons = [reason["text"] for reason in said["reasons"] if reason["verdict"] == "deny"]
    return said["verdict"] == "deny" and any(words in text for text in reasons)


@pytest.mark.parametrize("token", ["", "nobody-knows-this-token-at-all", "agent-token-of-a-test-00000004x"])
def test_without_a_credential(served: Served, token: str) -> None:
    """No token, an unknown one, a known one with a letter more."""
    _, answer = served.judge(call("restart_service"), token=token)
    assert answer.status_code == 401
    assert answer.json()["expected"]
    assert untouched(served)
    assert [entry.kind for entry in served.new()] == ["refusal"]


@pytest.mark.parametrize("token", ["viewer", "operator", "chaos"])
def test_with_somebody_elses_credential(served: Served, token: str) -> None:
    """People and drills do not act in an agent's place."""
    made, _ = served.judge(call("restart_service"))
    assert served.apply(made, token=token).status_code == 403
    assert untouched(served)
    assert served.recorded("may not do this")


def test_at_the_wrong_tier(served: Served) -> None:
    """T1 destroys nothing and touches no production; an agent without a seat does nothing at all."""
    for agent, what in (
        (served.responder, call("drop_table", "postgres", table="orders")),
        (served.responder, call("restart_service", "billing")),
        ("nobody", call("restart_service")),
    ):
        made, judged = served.judge(what, agent=agent)
        assert denied(judged, "may not")
        assert denied(served.apply(made, agent=agent), "may not")
    assert untouched(served)
    assert [entry.kind for entry in served.new()].count("refusal") == 3


def test_a_replayed_request(served: Served) -> None:
    """The same bytes again: the same receipt, one effect. For another change or agent: refused."""
    made, _ = served.judge(call("restart_service"))
    assert denied(served.apply(made, change="inc-other"), "belongs to")
    assert denied(served.apply(made, agent=served.senior), "was judged for")
    assert untouched(served)
    first, again = served.apply(made), served.apply(made)
    assert first.json() == again.json()
    assert len(served.scene.executor.executed) == 1
    assert served.recorded("APPLY_WITHOUT_PLAN")


def asked(served: Served, what: Any = None) -> tuple[str, str]:
    """A step on production by T2, which waits for a person: plan and approval."""
    made, judged = served.judge(what or call("scale_pool", "billing", size=33), agent=served.senior)
    [said] = judged.json()["judgements"]
    assert said["verdict"] == "ask"
    return made, str(said["approval_id"])


def test_an_expired_approval(served: Served) -> None:
    """Approved in time, used too late: a new question, no effect."""
    made, approval = asked(served)
    assert served.answer(approval).status_code == 200
    served.scene.clock.advance(901)
    receipt = served.apply(made, agent=served.senior, approval_id=approval).json()
    assert receipt["verdict"] == "ask"
    assert receipt["approval_id"] != approval
    assert untouched(served)
    assert {approval, receipt["approval_id"]} <= {entry.content.get("approval") for entry in served.new()}


def test_the_clock_set_back(served: Served) -> None:
    """An approval that has expired stays so: the ledger's time never runs backwards."""
    _, approval = asked(served)
    served.scene.clock.advance(901)
    served.judge(call("restart_service"))
    served.scene.clock.advance(-901)
    answer = served.answer(approval)
    served.scene.clock.advance(901)
    assert answer.status_code == 409
    assert "expired" in answer.text
    assert untouched(served)


def test_a_used_approval(served: Served) -> None:
    """Consumed with its claim; nobody carries anything out with it again."""
    made, approval = asked(served)
    served.answer(approval)
    assert served.apply(made, agent=served.senior, approval_id=approval).json()["outcome"] == "succeeded"
    other, _ = asked(served, call("scale_pool", "billing", size=34))
    receipt = served.apply(other, agent=served.senior, approval_id=approval)
    assert denied(receipt, "belongs to step")
    assert len(served.scene.executor.executed) == 1


def test_a_changed_argument(served: Served) -> None:
    """The same plan id with another size, after the approval: a conflict, and the old step is what counts."""
    made, approval = asked(served, call("scale_pool", "billing", size=40))
    served.answer(approval)
    change = made.removeprefix("plan-of-")
    changed = plan(call("scale_pool", "billing", size=4000), id=made, incident=change)
    body = {"plan": changed.model_dump(mode="json"), "actor": actor(served.senior, change).model_dump(mode="json")}
    answer = served.ask("/v1/judge", body)
    assert answer.status_code == 409
    assert answer.json()["code"] == "plan.changed"
    assert untouched(served)


def test_a_changed_world(served: Served) -> None:
    """Approved for one state of the target; it changed meanwhile: asked again, nothing done."""
    made, approval = asked(served, call("scale_pool", "billing", size=41))
    served.answer(approval)
    before = served.scene.executor.world["billing"]["pool"]
    served.scene.executor.world["billing"]["pool"] = 7
    receipt = served.apply(made, agent=served.senior, approval_id=approval).json()
    served.scene.executor.world["billing"]["pool"] = before
    assert receipt["verdict"] == "ask"
    assert receipt["approval_id"] != approval
    assert untouched(served)


def test_a_changed_policy(served: Served) -> None:
    """Judged under one revision, carried out under another: judge again."""
    made, _ = served.judge(call("restart_service"))
    parts, before = served.scene.guard.parts, served.scene.guard.parts.policy
    parts.policy = Policy(load_policy().document.model_copy(update={"title": "other words"}))
    receipt = served.apply(made)
    parts.policy = before
    assert denied(receipt, "judge the plan again")
    assert untouched(served)
    assert served.recorded("judge the plan again")


@pytest.mark.parametrize("action", ["reboot_universe", "grant_tier", "set_policy", "unseal_vault"])
def test_an_unknown_action(served: Served, action: str) -> None:
    """What nobody registered does not exist, whatever it is called."""
    made, judged = served.judge(call(action))
    assert denied(judged, "no action")
    assert denied(served.apply(made), "no action")
    assert untouched(served)
    assert served.recorded(action)


@pytest.mark.parametrize("target", ["elsewhere", "action-server", "ledger", "*", *METACHARACTERS, *LOOK_ALIKES])
def test_a_target_outside_the_inventory(served: Served, target: str) -> None:
    """Unknown, dangerous, or only looking like a known one."""
    made, judged = served.judge(call("restart_service", target))
    assert denied(judged, "expected a target of the inventory")
    assert denied(served.apply(made), "expected a target of the inventory")
    assert untouched(served)
    assert {"judgement", "refusal"} <= {entry.kind for entry in served.new()}


@pytest.mark.parametrize(
    "action", ["rеstart_service", "restart service", "restart_service;ls", "RESTART_SERVICE", "ｒestart"]
)
def test_an_action_name_that_is_none(served: Served, action: str) -> None:
    """Not even a name: refused before any wrapper, with the field, and recorded for a known caller."""
    made = plan(call("restart_service")).model_dump(mode="json")
    made["steps"][0]["call"]["action"] = action
    answer = served.ask("/v1/judge", {"plan": made, "actor": actor().model_dump(mode="json")})
    assert answer.status_code == 422
    assert "action" in answer.json()["found"]
    assert [entry.kind for entry in served.new()] == ["refusal"]


REGISTRY = ActionRegistry(mixed_inventory(), {})
TEXT_ARGUMENTS = [
    (spec.name, name)
    for spec in REGISTRY.specs()
    for name, schema in spec.schema_.get("properties", {}).items()
    if name not in {"restart"}
]


@pytest.mark.parametrize(("action", "argument"), TEXT_ARGUMENTS)
def test_metacharacters_in_every_argument_of_every_registered_action(
    served: Served, action: str, argument: str
) -> None:
    """Each argument refuses them by its type; the one that holds free text is never believed when a log line said it."""
    parts = served.scene.guard.parts
    parts.executor, before = REGISTRY, parts.executor
    try:
        for n, text in enumerate(METACHARACTERS):
            for value in (text, [text], {text: text}):
                given = step("s1", call(action, "billing", **{argument: value}), tainted_args=[argument])
                _, answer = served.judge(
                    given, id=f"plan-meta-{action}-{argument}-{n}-{type(value).__name__}", agent=served.senior
                )
                [judged] = answer.json()["judgements"]
                assert judged["verdict"] != "allow", (action, argument, value)
                assert judged["reasons"]
    finally:
        parts.executor = before
    assert untouched(served)
    assert {entry.kind for entry in served.new()} <= {"judgement", "approval"}


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200 + b"]" * 200,
        b'{"plan": ' + b'{"a":' * 60 + b"1" + b"}" * 60 + b"}",
        b'{"plan": "' + b"x" * (1024 * 1024) + b'"}',
        b'{"plan": NaN}',
        b"not json",
        b"{}",
    ],
    ids=["deep-list", "deep-object", "oversized", "nan", "no-json", "empty"],
)
def test_a_body_that_nobody_can_read(served: Served, body: bytes) -> None:
    """Measured before it is parsed; a problem document says what was expected, the ledger who sent it."""
    with served.client() as client:
        answer = client.post("/v1/judge", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["title"]
    assert untouched(served)
    [entry] = served.new()
    assert (entry.kind, entry.actor) == ("refusal", "agent")
    with served.client("a-stranger-who-has-no-token-here") as client:
        assert client.post("/v1/judge", content=body).status_code in {401, 422}
    assert len(served.new()) == 1


async def test_two_that_race(served: Served) -> None:
    """Twenty requests for one step and twenty for another of the same target: two effects, one after the other."""
    made, _ = served.judge(call("scale_pool", size=21), call("set_config", key="A", value="b"))
    header = {"Authorization": f"Bearer {TOKENS['agent'][0]}"}
    who = actor(served.responder, made.removeprefix("plan-of-")).model_dump(mode="json")
    async with httpx.AsyncClient(base_url=served.url, headers=header, trust_env=False, timeout=30) as client:
        requests = [
            client.post("/v1/apply", json={"plan_id": made, "step_id": f"s{n % 2 + 1}", "actor": who})
            for n in range(40)
        ]
        answers = [answer.json() for answer in await asyncio.gather(*requests)]
    assert len(served.scene.executor.executed) == 2
    assert served.scene.executor.most_running["api"] == 1
    assert len({json.dumps(answer, sort_keys=True) for answer in answers}) == 2
    assert [entry.kind for entry in served.new()].count("intent") == 2


def test_nothing_without_a_plan(served: Served) -> None:
    """A step of a plan that was never judged, or that does not exist."""
    assert served.apply("plan-of-nowhere").status_code == 404
    assert served.recorded("APPLY_WITHOUT_PLAN")
    made, _ = served.judge(call("restart_service"))
    assert served.apply(made, step_id="s9").status_code == 404
    assert untouched(served)


def test_an_agent_approves_nothing_and_lifts_no_freeze(served: Served) -> None:
    """Answers, freeze, resume and unwind need a person's token."""
    _, approval = asked(served, call("scale_pool", "billing", size=50))
    assert served.answer(approval, token="agent").status_code == 403
    for path in ("/v1/freeze", "/v1/resume", "/v1/unwind"):
        assert served.ask(path, {}).status_code == 403
